# The controller, for those who have Docker; `make images` needs none.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --release --package mote-controller

FROM debian:bookworm-slim
COPY --from=build /src/target/release/mote-controller /usr/bin/mote-controller
USER 65532:65532
ENTRYPOINT ["/usr/bin/mote-controller"]
