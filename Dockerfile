# One image that runs any service: `docker run … services.intake`, `services.triage`, …, and the sandbox.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN python -m venv /app/.venv
COPY requirements-image.lock ./
RUN /app/.venv/bin/pip install --require-hashes --only-binary :all: -r requirements-image.lock \
    && /app/.venv/bin/pip uninstall -y pip

FROM python:3.13-slim
LABEL org.opencontainers.image.title="MASH Triage" org.opencontainers.image.licenses="MIT"
RUN groupadd --system --gid 10001 mash \
    && useradd --system --uid 10001 --gid mash --no-create-home --home-dir /app --shell /usr/sbin/nologin mash
WORKDIR /app
COPY --from=build /app/.venv ./.venv
COPY pyproject.toml ./
COPY libs ./libs
COPY services ./services
COPY sandbox ./sandbox
COPY deploy/partnership ./deploy/partnership
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MASH_HOST=0.0.0.0 \
    MASH_PORT=8000 \
    MASH_PARTNERSHIP_DIR=/app/deploy/partnership
USER 10001:10001
EXPOSE 8000
# Alive, not ready: a service whose broker is away must not be restarted for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"MASH_PORT\"]}/livez', timeout=2)"]
ENTRYPOINT ["python", "-m"]
CMD ["services.intake"]
