# One image for the bridge and for the simulated devices.
FROM python:3.13-slim-bookworm AS environment
WORKDIR /app
COPY requirements/uv.txt requirements/build.txt requirements/serving.txt requirements/serving.in requirements/
RUN python -m venv /uv && /uv/bin/pip install --no-cache-dir --require-hashes -r requirements/uv.txt
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
RUN /uv/bin/uv venv .venv \
    && /uv/bin/uv pip install --no-cache --require-hashes -r requirements/serving.txt
# The folders are installed where they stand, so that /app reads like the repository.
COPY pyproject.toml README.md LICENSE ./
COPY bridge bridge
COPY edge_simulator edge_simulator
RUN /uv/bin/uv pip install --no-cache --no-deps --build-constraints requirements/build.txt --editable .

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/bridge --create-home bridge
WORKDIR /app
COPY --from=environment /app /app
COPY models models
COPY training/data training/data
COPY scripts/healthcheck.py scripts/healthcheck.py
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    BRIDGE_JOURNAL__PATH=/var/lib/bridge/journal \
    BRIDGE_MODEL__DIRECTORY=/app/models
USER bridge
VOLUME /var/lib/bridge
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "scripts/healthcheck.py"]
CMD ["bridge", "run"]
