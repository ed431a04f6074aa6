// Smooths six measurements by gradient descent, in Rust.
//
//   exprc build smooth.expr -o build
//   rustc fit.rs -L build -l smooth -C link-arg=-Wl,-rpath,build -o build/fit && build/fit

use std::ffi::{c_char, c_int, c_void, CStr};
use std::ptr;

// As in smooth.h.
#[repr(C)]
struct Fault {
    code: i32,
    line: i32,
    index: i64,
    bound: i64,
    name: [c_char; 48],
}

extern "C" {
    fn smooth_E_value_and_grad(
        n: i64, y: *const f64, stiffness: *const f64, s: *const f64,
        E: *mut f64, grad_s: *mut f64, workspace: *mut c_void, fault: *mut Fault,
    ) -> c_int;
    fn smooth_E_value_and_grad_workspace(n: i64) -> usize;
    fn smooth_status(status: c_int) -> *const c_char;
}

struct Loss {
    y: Vec<f64>,
    stiffness: f64,
    workspace: Vec<u8>,
}

impl Loss {
    fn new(y: Vec<f64>, stiffness: f64) -> Loss {
        let bytes = unsafe { smooth_E_value_and_grad_workspace(y.len() as i64) };
        Loss { y, stiffness, workspace: vec![0; if bytes == usize::MAX { 0 } else { bytes }] }
    }

    fn value_and_grad(&mut self, s: &[f64], gradient: &mut [f64]) -> Result<f64, String> {
        assert!(s.len() == self.y.len() && gradient.len() == self.y.len());
        let mut value = 0.0;
        let mut fault = Fault { code: 0, line: 0, index: 0, bound: 0, name: [0; 48] };
        // The pointer of an empty vector is not NULL.
        let workspace = if self.workspace.is_empty() { ptr::null_mut() } else { self.workspace.as_mut_ptr() };
        let status = unsafe {
            smooth_E_value_and_grad(
                self.y.len() as i64, self.y.as_ptr(), &self.stiffness, s.as_ptr(),
                &mut value, gradient.as_mut_ptr(), workspace.cast(), &mut fault,
            )
        };
        if status == 0 {
            return Ok(value);
        }
        let text = |pointer| unsafe { CStr::from_ptr(pointer) }.to_string_lossy();
        let (what, which) = (text(unsafe { smooth_status(status) }), text(fault.name.as_ptr()));
        Err(format!("status {}: {what}: {which} (line {})", fault.code, fault.line))
    }
}

fn main() -> Result<(), String> {
    let mut loss = Loss::new(vec![0.0, 2.0, 1.0, 4.0, 3.0, 6.0], 1.0);
    let (mut s, mut gradient, mut value) = ([0.0; 6], [0.0; 6], 0.0);
    for _ in 0..500 {
        value = loss.value_and_grad(&s, &mut gradient)?;
        for (entry, slope) in s.iter_mut().zip(gradient) {
            *entry -= 0.1 * slope;
        }
    }
    print!("loss {value:.6}, curve");
    for entry in s {
        print!(" {entry:.4}");
    }
    println!();

    // One measurement has no second differences: the slices of the program need two.
    if let Err(message) = Loss::new(vec![1.0], 1.0).value_and_grad(&s[..1], &mut gradient[..1]) {
        println!("{message}");
    }
    Ok(())
}
