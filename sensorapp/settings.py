"""Every server setting, once. What people edit at run time (routes, sinks, rules) is data, not settings."""

import base64
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONCE, NONE, SELF

from sensorapp import env, logs

BASE_DIR = Path(__file__).resolve().parent.parent
# Database, broker, keys and spool of the embedded mode live here.
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "var"))).resolve()

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.kept_secret("SECRET_KEY", DATA_DIR / "keys" / "secret_key")
# Sinks' secrets are encrypted with the first key; all are tried when reading, so keys can be rotated.
ENCRYPTION_KEYS = [
    base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())
    for key in env.kept_secret("ENCRYPTION_KEYS", DATA_DIR / "keys" / "encryption_keys").split(",")
]
# Where people reach the dashboard; links in messages start with it.
SITE_URL = env.text("SITE_URL", f"http://127.0.0.1:{env.number('PORT', 8000)}").rstrip("/")
# This machine's own sensor and `manage.py run` ask at the loopback address, whatever the server is called outside.
ALLOWED_HOSTS = [urlsplit(SITE_URL).hostname or "", *env.words("ALLOWED_HOSTS", ""), "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = [SITE_URL]
# True behind a TLS-terminating proxy: cookies are then sent over https only.
HTTPS = env.flag("HTTPS", default=SITE_URL.startswith("https://"))

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "axes",
    "csp",
    "ninja",
    "routing",
]
MIDDLEWARE = [
    "routing.api.refusals.Refusals",
    "django.middleware.security.SecurityMiddleware",
    "sensorapp.static.StaticFiles",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "sensorapp.urls"
ASGI_APPLICATION = "sensorapp.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "routing.views.frame.frame",
            ]
        },
    }
]


def _database() -> dict[str, Any]:
    """PostgreSQL where DATABASE_URL says so, else one SQLite file below DATA_DIR."""
    config = env.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'sensorapp.sqlite3'}")
    if config["ENGINE"].endswith("sqlite3"):
        # IMMEDIATE: a transaction that will write takes the lock at its start, where waiting is possible.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    else:
        config["CONN_MAX_AGE"] = 60
        config["CONN_HEALTH_CHECKS"] = True
    return config


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Empty: the embedded Valkey that `manage.py run` supervises, on a socket below DATA_DIR.
REDIS_URL = env.text("REDIS_URL", f"unix://{DATA_DIR / 'valkey' / 'valkey.sock'}")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        # Whoever asks holds a thread that posts and pages need, and a hung server must not take them all.
        "OPTIONS": {"socket_connect_timeout": 1.0, "socket_timeout": 1.0},
    }
}

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "sign-in"
# Five wrong passwords for one name from one address lock that pair for a quarter of an hour.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# A page whose file was never collected is shown without it rather than not at all.
WHITENOISE_MANIFEST_STRICT = False

LOGGING = logs.configure(env.text("LOG_FORMAT", "console"), env.text("LOG_LEVEL", "info"))

# Limits of the ingest paths; over them the answer is 413.
INGEST_MAX_BYTES = env.number("INGEST_MAX_BYTES", 8 * 1024 * 1024)
INGEST_MAX_ALERTS = env.number("INGEST_MAX_ALERTS", 10_000)
# Alerts that one token may post to one process, in a second on average and at once; over it the answer is 429.
INGEST_RATE = env.number("INGEST_RATE", 50_000)
INGEST_BURST = env.number("INGEST_BURST", 500_000)
# Alerts that may wait to be routed; while there are more, the answer is 429, and our sensors keep theirs.
INGEST_MAX_BACKLOG = env.number("INGEST_MAX_BACKLOG", 2_000_000)
# Days that alerts are kept; 0 keeps them all.
RETENTION_DAYS = env.number("RETENTION_DAYS", 30)
# Private, loopback and link-local addresses that sinks may reach, as CIDR blocks.
OUTBOUND_ALLOW = env.words("OUTBOUND_ALLOW", "")
# Sinks may have their secrets in these variables and below this folder, and nowhere else.
SECRETS_ENV = env.words("SECRETS_ENV", "SINK_*")
SECRETS_DIR = env.text("SECRETS_DIR", "/run/secrets")

# How much workers give way to the web processes of the same machine: 0 is not at all, 19 is most (nice(2)).
WORKER_NICE = env.number("WORKER_NICE", 15)
# Who may read /metrics: whoever has this token; without one only this machine itself.
METRICS_TOKEN = env.secret("METRICS_TOKEN")
# The OpenTelemetry collector that spans are told to; the extra `otel` must be installed.
OTEL_ENDPOINT = env.text("OTEL_EXPORTER_OTLP_ENDPOINT", "")
# A URL that the auditor asks twice a minute while all is well.
DEADMAN_URL = env.secret("DEADMAN_URL")

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Workers and beat wait for the broker for as long as it takes; after a hundred tries Celery would end them.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A message that was taken by a worker that died comes back after this many seconds (kombu's Redis transport).
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Work here is waiting for databases and receivers. A receiver that hangs holds two threads at most until it is left
# alone, so there must be more than a few; each has a connection to the database while it is busy.
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = env.number("WORKER_THREADS", 16)
# Else every task makes a connection to the database, which costs more than most tasks; `sensorapp.celery` looks after
# those that are kept.
CELERY_DB_REUSE_MAX = 1_000_000
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "maintain"
CELERY_TASK_ROUTES = {
    "routing.tasks.route_pending": {"queue": "route"},
    "routing.tasks.deliver": {"queue": "deliver"},
    "routing.tasks.run_action": {"queue": "respond"},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
# A sweep that was not started in time is dropped: the next one sees the same rows.
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "routing.tasks.sweep", "schedule": 1.0, "options": {"expires": 5}},
    "keep-days": {"task": "routing.tasks.keep_days", "schedule": 300.0, "options": {"expires": 300}},
    "look-for-stuck": {"task": "routing.tasks.look_for_stuck", "schedule": 30.0, "options": {"expires": 25}},
}
