"""Keys, certificates and kubeconfigs of a test cluster, made with openssl."""
import base64
import json
import pathlib
import subprocess


def openssl(*args, input=None):
    done = subprocess.run(["openssl", *args], input=input, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError("openssl " + " ".join(args) + ": " + done.stderr.decode())
    return done.stdout


class Pki:
    """A certificate authority in a directory. Its files: ca.crt, ca.key, NAME.crt, NAME.key."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        if not (self.dir / "ca.crt").exists():
            self.key("ca")
            openssl("req", "-x509", "-new", "-key", self.path("ca.key"), "-subj", "/CN=fairlead-test-ca", "-days", "3650", "-out", self.path("ca.crt"))

    def path(self, name):
        return str(self.dir / name)

    def key(self, name):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path(name + ".key"))
        (self.dir / (name + ".key")).chmod(0o600)

    def certificate(self, name, common_name, organization="", sans=()):
        self.key(name)
        subject = (f"/O={organization}" if organization else "") + f"/CN={common_name}"
        openssl("req", "-new", "-key", self.path(name + ".key"), "-subj", subject, "-out", self.path(name + ".csr"))
        extensions = "keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n"
        if sans:
            extensions += "subjectAltName=" + ",".join(sans) + "\n"
        (self.dir / (name + ".ext")).write_text(extensions)
        openssl("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path("ca.crt"), "-CAkey", self.path("ca.key"), "-set_serial", "0x" + name.encode().hex()[:30],
                "-days", "3650", "-extfile", self.path(name + ".ext"), "-out", self.path(name + ".crt"))

    def service_account_key(self, name):
        """A pair of its own, since the API server wants the public half alone."""
        self.key(name)
        openssl("ec", "-in", self.path(name + ".key"), "-pubout", "-out", self.path(name + ".pub"))

    def kubeconfig(self, name, server):
        """Writes NAME.kubeconfig for the certificate NAME; returns its path."""
        data = lambda file: base64.b64encode((self.dir / file).read_bytes()).decode()
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "fairlead",
                  "clusters": [{"name": "fairlead", "cluster": {"server": server, "certificate-authority-data": data("ca.crt")}}],
                  "users": [{"name": name, "user": {"client-certificate-data": data(name + ".crt"), "client-key-data": data(name + ".key")}}],
                  "contexts": [{"name": "fairlead", "context": {"cluster": "fairlead", "user": name}}]}
        file = self.dir / (name + ".kubeconfig")
        file.write_text(json.dumps(config, indent=1) + "\n")
        file.chmod(0o600)
        return str(file)
