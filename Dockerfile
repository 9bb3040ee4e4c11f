# The controller and the router, for those who have Docker; `make images` needs
# none, and makes the node host's image too, whose programs take more to build.
#   docker build -t mote.dev/controller:0.1.0 .
#   docker build -t mote.dev/router:0.1.0 --target router .
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --release --package mote-controller --package mote-router

FROM debian:bookworm-slim AS router
COPY --from=build /src/target/release/mote-router /usr/bin/mote-router
USER 65532:65532
ENTRYPOINT ["/usr/bin/mote-router"]

FROM debian:bookworm-slim AS controller
COPY --from=build /src/target/release/mote-controller /usr/bin/mote-controller
USER 65532:65532
ENTRYPOINT ["/usr/bin/mote-controller"]
