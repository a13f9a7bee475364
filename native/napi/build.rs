fn main() {
    napi_build::setup();
    // A worker thread that ends must not unmap code that a name look-up is still running in.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-link-arg-cdylib=-Wl,-z,nodelete");
    }
}
