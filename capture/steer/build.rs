//! Compiles the XDP program, if it is asked for.

#[cfg(feature = "xdp")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::path::PathBuf;

    const SOURCE: &str = "bpf/steer.bpf.c";
    println!("cargo:rerun-if-changed={SOURCE}");
    let object = PathBuf::from(std::env::var("OUT_DIR")?).join("steer.bpf.o");
    // Where Debian and its kin keep `asm/types.h`; on others the default is right.
    let include = format!("-I/usr/include/{}-linux-gnu", std::env::var("CARGO_CFG_TARGET_ARCH")?);
    let built = libbpf_cargo::SkeletonBuilder::new()
        .source(SOURCE)
        .obj(object)
        .clang_args(["-mcpu=v3", "-Wall", "-Wextra", "-Werror", &include])
        .build();
    built.map_err(|cause| format!("{SOURCE} cannot be compiled (clang is needed): {cause:#}"))?;
    Ok(())
}

#[cfg(not(feature = "xdp"))]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
