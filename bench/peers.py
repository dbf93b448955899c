"""Peers that others publish: fetched from package registries when a set needs them, unpacked, installed into a set's database.

`context.missing = install(context, name, ...)` then says why a peer is missing, or None. Each has a queue "q".
"""
import glob
import os
import pathlib
import shutil
import subprocess

# Debian packages that a set with these peers needs
PACKAGES = [] if shutil.which("pip3") else ["python3-pip"]
PGMQ = "pgmq==1.1.4"        # the Python client, which brings the extension's SQL


class Missing(Exception):
    pass


def fetch(context, package, commands):
    """Runs the commands in a folder of the package's own, kept for the next time."""
    folder = os.path.join(context.cache, package)
    if not os.path.exists(folder):
        shutil.rmtree(f"{folder}.new", ignore_errors=True)
        os.makedirs(f"{folder}.new")
        try:
            for command in commands:
                subprocess.run(command, shell=True, cwd=f"{folder}.new", capture_output=True, check=True, timeout=300)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise Missing(f"the package {package} cannot be had") from error
        os.rename(f"{folder}.new", folder)
    return folder


def pgq(context):
    """Debian's package, unpacked only: its functions are loaded by their path."""
    major = context.sql("SELECT current_setting('server_version_num')::int / 10000")
    package = f"postgresql-{major}-pgq3"
    folder = fetch(context, package, [f"apt-get -q download {package}", "dpkg -x *.deb ."])
    script = pathlib.Path(glob.glob(f"{folder}/usr/share/postgresql/*/contrib/pgq.sql")[0]).read_text(encoding="utf-8")
    context.sql(script.replace("$libdir", glob.glob(f"{folder}/usr/lib/postgresql/*/lib")[0]))
    context.sql("SELECT pgq.create_queue('q')")


def pgmq(context):
    folder = fetch(context, PGMQ, [f"python3 -m pip download --quiet --no-deps --only-binary :all: {PGMQ}",
                                   "python3 -m zipfile -e *.whl ."])
    context.sql(pathlib.Path(folder, "pgmq/sql/pgmq.sql").read_text(encoding="utf-8"))
    context.sql("SELECT pgmq.create('q')")


def pgque(context):
    if "BENCH_PGQUE" not in os.environ:
        raise Missing("its SQL is in no package; BENCH_PGQUE can name the file pgque.sql")
    context.sql(pathlib.Path(os.environ["BENCH_PGQUE"]).read_text(encoding="utf-8"))
    context.sql("SELECT pgque.create_queue('q')")


def install(context, *names):
    missing = {}
    for name in names:
        try:
            {"pgq": pgq, "pgmq": pgmq, "pgque": pgque}[name](context)
            missing[name] = None
        except Missing as why:
            missing[name] = str(why)
    return missing
