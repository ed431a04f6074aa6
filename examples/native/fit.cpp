// Smooths six measurements by gradient descent, in C++.
//
//   exprc build smooth.expr -o build
//   c++ fit.cpp -Ibuild -Lbuild -lsmooth -Wl,-rpath,build -o build/fit && build/fit
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "smooth.h"

namespace {

class Loss {
public:
    Loss(std::vector<double> measurements, double weight)
        : y(std::move(measurements)), stiffness(weight), n(static_cast<std::int64_t>(y.size())),
          bytes(smooth_E_value_and_grad_workspace(n)), workspace(bytes == SIZE_MAX ? 0 : bytes)
    {
    }

    double value_and_grad(const std::vector<double> &s, std::vector<double> &gradient)
    {
        if (s.size() != y.size() || gradient.size() != y.size())
            throw std::invalid_argument("the curve has another size than the measurements");
        double value = 0;
        smooth_fault fault = {};
        const int status = smooth_E_value_and_grad(n, y.data(), &stiffness, s.data(), &value, gradient.data(),
                                                   workspace.empty() ? nullptr : workspace.data(), &fault);
        if (status != 0)
            throw std::runtime_error("status " + std::to_string(status) + ": " + smooth_status(status) + ": " +
                                     fault.name + " (line " + std::to_string(fault.line) + ")");
        return value;
    }

private:
    std::vector<double> y;
    double stiffness;
    std::int64_t n;
    std::size_t bytes;
    std::vector<unsigned char> workspace;
};

}  // namespace

int main()
{
    if (!smooth_abi_ok())
        return 1;
    Loss loss({0, 2, 1, 4, 3, 6}, 1.0);
    std::vector<double> s(6), gradient(6);
    double value = 0;
    for (int step = 0; step < 500; step++) {
        value = loss.value_and_grad(s, gradient);
        for (std::size_t i = 0; i < s.size(); i++)
            s[i] -= 0.1 * gradient[i];
    }
    std::printf("loss %.6f, curve", value);
    for (double entry : s)
        std::printf(" %.4f", entry);
    std::puts("");

    // One measurement has no second differences: the slices of the program need two.
    try {
        s.resize(1);
        gradient.resize(1);
        Loss({1}, 1.0).value_and_grad(s, gradient);
    } catch (const std::runtime_error &error) {
        std::puts(error.what());
    }
}
