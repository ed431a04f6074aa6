/* Smooths six measurements by gradient descent, in C.
 *
 *   exprc build smooth.expr -o build
 *   cc fit.c -Ibuild -Lbuild -lsmooth -Wl,-rpath,build -o build/fit && build/fit
 */
#include <stdio.h>
#include <stdlib.h>

#include "smooth.h"

enum { N = 6, STEPS = 500 };

int main(void)
{
    const double y[N] = {0, 2, 1, 4, 3, 6};
    const double stiffness = 1.0;
    double s[N] = {0}, gradient[N], loss = 0;
    smooth_fault fault;
    size_t bytes;
    void *workspace;
    int status = 0;

    if (!smooth_abi_ok()) {
        fputs("the library and smooth.h are of different programs\n", stderr);
        return 1;
    }

    /* The workspace is allocated once and serves every call; with NULL each call would allocate its own. */
    bytes = smooth_E_value_and_grad_workspace(N);
    workspace = bytes ? malloc(bytes) : NULL;
    if (bytes && !workspace)
        return 1;
    for (int step = 0; step < STEPS && status == 0; step++) {
        status = smooth_E_value_and_grad(N, y, &stiffness, s, &loss, gradient, workspace, &fault);
        for (int i = 0; i < N; i++)
            s[i] -= 0.1 * gradient[i];
    }
    free(workspace);
    if (status != 0) {
        fprintf(stderr, "%s (line %d)\n", smooth_status(status), (int)fault.line);
        return 1;
    }
    printf("loss %.6f, curve", loss);
    for (int i = 0; i < N; i++)
        printf(" %.4f", s[i]);
    printf("\n");

    /* One measurement has no second differences: the slices of the program need two. */
    status = smooth_E(1, y, &stiffness, s, &loss, NULL, &fault);
    printf("status %d: %s: %s (line %d)\n", status, smooth_status(status), fault.name, (int)fault.line);
    return 0;
}
