# A Debian with systemd, for the test of the Debian package: what the package depends on is there, the package is not.
ARG BASE
FROM ${BASE}
COPY install-packages.sh /root/
RUN /root/install-packages.sh runtime && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends adduser dbus init-system-helpers systemd systemd-sysv
STOPSIGNAL SIGRTMIN+3
CMD ["/sbin/init"]
