# The builder image: both programs, and what the definitions' version scripts need.
# scripts/image makes the programs and builds this. Works with BuildKit and without.

ARG ROOT_IMAGE=debian:bookworm-slim
FROM ${ROOT_IMAGE}

RUN apt-get update -qq \
  && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    bash ca-certificates curl git jq nodejs npm python3 python3-pip python3-venv \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/apt /var/log/*.log

# Node.js has certificates of its own. With this, those mounted over the system's reach npm too.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt

# Tells the programs where they run: version scripts find their tools here, and this is a container already.
ENV AICAGE_BUILDER_IMAGE=1

# Packaged definitions are mounted here, if there are any.
ENV AICAGE_DEFINITIONS=/definitions

# Whoever owns ~/.aicage runs the programs, and must get there.
RUN chmod 711 /root

# The folder of the two static programs, within the context.
ARG BINARIES=bin
COPY ${BINARIES}/aicage-builder ${BINARIES}/aicage-checker entrypoints/builder /usr/local/bin/

ENTRYPOINT ["/usr/local/bin/builder"]
