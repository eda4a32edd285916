"""Devices with certificates (B19, B20), with real TLS client certificates."""
import ssl
import subprocess
import unittest
from pathlib import Path

import device_certificates as certificates
import world
from device_certificates import DeviceCertificate
from world import rest


def chained(folder, parent, common_name, ca=False):
    """A certificate by `parent`; its file carries the parent behind it, as a client with an intermediate sends it."""
    extensions = Path(folder) / f"{common_name}.ext"
    extensions.write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n" if ca else "basicConstraints=CA:FALSE\n")
    made = DeviceCertificate(folder, common_name)
    request = Path(folder) / f"{common_name}.csr"
    run = lambda *a: subprocess.run(["openssl", *map(str, a)], check=True, capture_output=True)
    run("req", *certificates.EC_KEY, "-keyout", made.key, "-out", request, "-subj", f"/CN={common_name}")
    run("x509", "-req", "-in", request, "-CA", parent.certificate, "-CAkey", parent.key, "-CAcreateserial", "-days", 2,
        "-extfile", extensions, "-out", made.certificate)
    if not ca:
        made.certificate.write_text(made.certificate.read_text() + parent.certificate.read_text())
    return made


class X509(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = world.folder("certificates")
        cls.hub = world.main()
        cls.own = certificates.self_signed(cls.folder, "own")
        cls.other = certificates.self_signed(cls.folder, "other")
        cls.ca = certificates.authority(cls.folder, "plant CA")
        cls.stranger = certificates.authority(cls.folder, "stranger CA")
        cls.hub.add_ca_certificate(f"plant-{cls.__module__}", cls.ca.certificate.read_text())

    def thumbprint_device(self, primary=None, secondary=None, **document):
        prints = {"primaryThumbprint": primary, "secondaryThumbprint": secondary}
        return world.device(authentication={"type": "selfSigned", "x509Thumbprint": prints}, **document)

    def ca_device(self, **document):
        return world.device(authentication={"type": "certificateAuthority"}, **document)

    def connack(self, device, certificate, password=None, **link):
        return device.connack(link={"certificate": certificate, **link}, password=password)

    def test_B19_the_registered_thumbprint_connects_in_both_tls_versions(self):
        device = self.thumbprint_device(self.own.thumbprint())
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(self.connack(device, self.own, version=version), 0)
            self.assertEqual(self.connack(device, self.other, version=version), 5)

    def test_B19_sha1_and_sha256_primary_and_secondary_in_either_case(self):
        for name in ("sha1", "sha256"):
            print_ = self.own.thumbprint(name)
            self.assertEqual(self.connack(self.thumbprint_device(print_), self.own), 0)
            self.assertEqual(self.connack(self.thumbprint_device(self.other.thumbprint(), print_.lower()), self.own), 0)

    def test_B19_no_certificate_or_a_token_instead_is_refused(self):
        device = self.thumbprint_device(self.own.thumbprint())
        self.assertEqual(device.connack(password=None), 5)
        self.assertEqual(device.connack(password=world.policy_token(self.hub, "iothubowner")), 5)
        self.assertEqual(self.connack(self.thumbprint_device(), self.own), 5)

    def test_a_password_beside_the_certificate_is_ignored(self):
        device = self.thumbprint_device(self.own.thumbprint())
        self.assertEqual(self.connack(device, self.own, password="nonsense"), 0)

    def test_a_sas_device_needs_its_token_whatever_certificate_it_shows(self):
        device = world.device()
        self.assertEqual(self.connack(device, self.own), 5)
        self.assertEqual(self.connack(device, self.own, password=device.token()), 0)

    def test_a_disabled_x509_device(self):
        device = self.thumbprint_device(self.own.thumbprint(), status="disabled")
        self.assertEqual(self.connack(device, self.own), 3)
        self.assertEqual(self.connack(device, self.other), 5)

    def test_B20_the_common_name_must_be_the_device(self):
        device = self.ca_device()
        good = certificates.signed_by(self.ca, self.folder, device.device_id)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(self.connack(device, good, version=version), 0)
        self.assertEqual(self.connack(self.ca_device(), good), 5)
        upper = certificates.signed_by(self.ca, self.folder, device.device_id.upper())
        self.assertEqual(self.connack(device, upper), 5)

    def test_B20_a_ca_the_hub_does_not_know(self):
        device = self.ca_device()
        self.assertEqual(self.connack(device, certificates.signed_by(self.stranger, self.folder, device.device_id)), 5)
        self.assertEqual(self.connack(device, certificates.self_signed(self.folder, device.device_id)), 5)

    def test_B20_a_chain_with_an_intermediate(self):
        device = self.ca_device()
        middle = chained(self.folder, self.ca, world.new_id("middle"), ca=True)
        leaf = chained(self.folder, middle, device.device_id)
        self.assertEqual(self.connack(device, leaf), 0)
        # Without the intermediate the chain does not close.
        alone = DeviceCertificate(self.folder, "alone")
        alone.certificate.write_text(leaf.certificate.read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
        alone.key.write_text(leaf.key.read_text())
        self.assertEqual(self.connack(device, alone), 5)

    def test_B20_a_leaf_is_no_ca(self):
        device = self.ca_device()
        leaf = chained(self.folder, self.ca, world.new_id("leaf"))
        self.assertEqual(self.connack(device, chained(self.folder, leaf, device.device_id)), 5)

    def test_B20_expired_and_future_certificates(self):
        device = self.ca_device()
        made = certificates.signed_by(self.ca, self.folder, device.device_id)
        request = Path(self.folder) / f"{device.device_id}.csr"
        subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", self.ca.certificate, "-CAkey", self.ca.key,
                        "-days", "-1", "-out", made.certificate], check=True, capture_output=True)
        self.assertEqual(self.connack(device, made), 5)

    def test_a_removed_ca_no_longer_opens(self):
        extra = certificates.authority(self.folder, world.new_id("extra"))
        self.hub.add_ca_certificate("extra", extra.certificate.read_text())
        device = self.ca_device()
        leaf = certificates.signed_by(extra, self.folder, device.device_id)
        self.assertEqual(self.connack(device, leaf), 0)
        self.assertEqual(rest(self.hub, "DELETE", "/kyanite/v1/ca-certificates/extra").status, 204)
        self.assertEqual(self.connack(device, leaf), 5)

    def test_a_module_by_thumbprint_and_by_chain(self):
        device = world.device()
        path = f"/devices/{device.device_id}/modules/"
        body = {"authentication": {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": self.own.thumbprint()}}}
        module = world.Module(self.hub, rest(self.hub, "PUT", path + "m1", body).json)
        self.assertEqual(self.connack(module, self.own), 0)
        module = world.Module(self.hub, rest(self.hub, "PUT", path + "m2", {"authentication": {"type": "certificateAuthority"}}).json)
        made = DeviceCertificate(self.folder, world.new_id("module"))
        request = Path(self.folder) / "module.csr"
        subprocess.run(["openssl", "req", *certificates.EC_KEY, "-keyout", made.key, "-out", request,
                        "-subj", "/CN=" + module.client_id.replace("/", "\\/")], check=True, capture_output=True)
        subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", self.ca.certificate, "-CAkey", self.ca.key,
                        "-CAcreateserial", "-days", "2", "-out", made.certificate], check=True, capture_output=True)
        self.assertEqual(self.connack(module, made), 0)

    def test_the_service_sees_how_it_was_proven(self):
        device = self.thumbprint_device(self.own.thumbprint())
        with device.session(link={"certificate": self.own}, password=None) as client:
            client.publish(device.events, "by certificate")
        event = self.hub.expect_events(device.device_id, 1)[0]
        self.assertEqual(event["systemProperties"]["iothub-connection-auth-method"],
                         '{"scope":"device","type":"x509","issuer":"iothub","acceptingIpFilterRule":null}')

    def test_a_resumed_session_proves_the_same_certificate_and_no_other(self):
        own, other = self.thumbprint_device(self.own.thumbprint()), self.thumbprint_device(self.other.thumbprint())
        chain = self.ca_device()
        middle = chained(self.folder, self.ca, world.new_id("middle"), ca=True)
        leaf = chained(self.folder, middle, chain.device_id)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for device, certificate in ((own, self.own), (chain, leaf)):
                with device.session(link={"certificate": certificate, "version": version}, password=None) as client:
                    client.ping()
                    kept = client.session()
                self.assertEqual(device.connack(link={"session": kept}, password=None), 0, version)
                self.assertEqual(other.connack(link={"session": kept}, password=None), 5, version)


class WithoutLocalAuth(unittest.TestCase):
    def test_tokens_are_refused_and_certificates_go_on(self):
        own = certificates.self_signed(world.folder("only-certificates"), "own")
        with world.new_hub("only-certificates", {"auth": {"disableLocalAuth": True}}) as hub:
            prints = {"primaryThumbprint": own.thumbprint(), "secondaryThumbprint": None}
            certified = world.device(hub, authentication={"type": "selfSigned", "x509Thumbprint": prints})
            self.assertEqual(certified.connack(link={"certificate": own}, password=None), 0)
            device = world.device(hub)
            self.assertEqual(device.connack(), 5)
            self.assertEqual(device.module("m").connack(), 5)
            self.assertEqual(device.connack(password=world.policy_token(hub, "iothubowner")), 5)
