# `signalpost serve` in a container: docs/how-to/docker.md tells how to run it, and what of this was tried.
# The base is any image with Python 3.11 or newer, its venv and pip, useradd and CA certificates.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN python3 -m pip wheel --no-cache-dir --no-deps --wheel-dir wheels . \
    && python3 -m venv --without-pip /opt/signalpost \
    && python3 -m pip --python /opt/signalpost/bin/python install --no-cache-dir wheels/signalpost-*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="signalpost" \
      org.opencontainers.image.description="Trading signals and system alerts to Discord" \
      org.opencontainers.image.licenses="MIT AND Apache-2.0"
RUN groupadd --gid 10001 signalpost \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin signalpost \
    && install --directory --owner=10001 --group=10001 --mode=700 /data
COPY --from=build /opt/signalpost /opt/signalpost
ENV PATH=/opt/signalpost/bin:$PATH \
    SIGNALPOST_HOME=/data \
    SIGNALPOST_HTTP=0.0.0.0:8750
# A number, so that a cluster can see that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8750
# It reads what the service writes beside its store, so it also notices a process that is frozen.
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s --retries=3 CMD ["signalpost", "health", "--live"]
# No shell between: the first process is signalpost itself, which hears SIGTERM.
STOPSIGNAL SIGTERM
ENTRYPOINT ["signalpost"]
CMD ["serve"]
