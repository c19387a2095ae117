# syntax=docker/dockerfile:1
#
# One static binary FROM scratch. For both architectures, cross-compiled, so that no emulation is needed:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg SOURCE_DATE_EPOCH=0 \
#     --output type=image,name=REGISTRY/kibertas-rs:0.1.0,push=true,rewrite-timestamp=true .
#
# Or with buildah, for one architecture; the same sources and tools give the same digest:
#
#   buildah bud --timestamp 0 --tag kibertas-rs .
#
# `cargo cluster image` packs the same without a container engine; tests/image.rs compares the two.

FROM --platform=$BUILDPLATFORM rust:1.95.0-slim-trixie AS build
ARG BUILDARCH
ARG TARGETARCH
# The target's C compiler is for ring's assembly, and links against the C library of the target; the builder's own is for build scripts.
RUN case "$TARGETARCH" in amd64) cross="gcc-x86-64-linux-gnu libc6-dev-amd64-cross" ;; \
      arm64) cross="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;; \
      *) echo "there is no build for $TARGETARCH" >&2; exit 1 ;; esac \
 && if [ "$TARGETARCH" = "$BUILDARCH" ]; then cross=""; fi \
 && apt-get update && apt-get install --yes --no-install-recommends ca-certificates gcc libc6-dev $cross
WORKDIR /src
COPY . .
RUN case "$TARGETARCH" in amd64) cpu=x86_64 ;; arm64) cpu=aarch64 ;; esac \
 && target="$cpu-unknown-linux-gnu" \
 && rustup target add "$target" \
 && export CARGO_BUILD_TARGET="$target" \
 && export "CC_$(echo "$target" | tr - _)=$cpu-linux-gnu-gcc" \
 && export "CARGO_TARGET_$(echo "$target" | tr a-z- A-Z_)_LINKER=$cpu-linux-gnu-gcc" \
 && cargo build --release --locked --package kibertas-rs --bin kibertas-rs \
 && install -D -m 0755 "target/$target/release/kibertas-rs" /image/kibertas-rs

FROM scratch
ARG REVISION
LABEL org.opencontainers.image.title="kibertas-rs"
LABEL org.opencontainers.image.description="Proves, end to end, that a Kubernetes cluster's add-ons really work"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.version="0.1.0"
LABEL org.opencontainers.image.revision="$REVISION"
COPY --from=build --chmod=0755 /image/kibertas-rs /kibertas-rs
COPY --from=build --chmod=0644 /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
WORKDIR /
USER 65532:65532
ENTRYPOINT ["/kibertas-rs"]
