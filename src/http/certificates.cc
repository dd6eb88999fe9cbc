#include "http/certificates.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "util/strings.h"

namespace fairlead::http {
namespace {

struct Free {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Cert = std::unique_ptr<X509, Free>;
using Bio = std::unique_ptr<BIO, Free>;

std::string Text(BIO* b) {
  char* data = nullptr;
  long n = BIO_get_mem_data(b, &data);
  return {data, static_cast<size_t>(n)};
}

bool AddExtension(X509* cert, X509* issuer, int nid, const std::string& v) {
  X509V3_CTX ctx;
  X509V3_set_ctx(&ctx, issuer, cert, nullptr, nullptr, 0);
  X509_EXTENSION* ext = X509V3_EXT_conf_nid(nullptr, &ctx, nid, v.c_str());
  if (!ext) return false;
  X509_add_ext(cert, ext, -1);
  X509_EXTENSION_free(ext);
  return true;
}

// Makes a key and a certificate for it, signed by the issuer (itself when there is none).
Result<KeyPair> Make(const CertificateRequest& r, X509* issuer, EVP_PKEY* issuer_key, bool is_ca) {
  Key key(EVP_EC_gen("P-256"));
  Cert cert(X509_new());
  if (!key || !cert) return MakeError(Code::kInternal, "OpenSSL cannot make a key");
  X509_set_version(cert.get(), 2);
  std::string serial = RandomHex(16);
  BIGNUM* bn = nullptr;
  BN_hex2bn(&bn, serial.c_str());
  BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert.get()));
  BN_free(bn);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -300);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 86400L * r.days);
  X509_set_pubkey(cert.get(), key.get());
  X509_NAME* name = X509_get_subject_name(cert.get());
  auto add = [&](const char* field, const std::string& v) {
    X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(v.c_str()), -1, -1,
                               0);
  };
  for (const auto& o : r.organizations) add("O", o);
  add("CN", r.common_name);
  X509* signer = issuer ? issuer : cert.get();
  X509_set_issuer_name(cert.get(), X509_get_subject_name(signer));
  bool ok = AddExtension(cert.get(), signer, NID_basic_constraints, is_ca ? "critical,CA:TRUE" : "CA:FALSE");
  ok = ok && AddExtension(cert.get(), signer, NID_key_usage,
                          is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
  ok = ok && AddExtension(cert.get(), signer, NID_subject_key_identifier, "hash");
  if (!is_ca) ok = ok && AddExtension(cert.get(), signer, NID_ext_key_usage, "serverAuth,clientAuth");
  if (!r.alt_names.empty()) ok = ok && AddExtension(cert.get(), signer, NID_subject_alt_name, Join(r.alt_names, ","));
  if (!ok || !X509_sign(cert.get(), issuer_key ? issuer_key : key.get(), EVP_sha256()))
    return MakeError(Code::kInvalid, "OpenSSL cannot issue a certificate for " + r.common_name);
  Bio cb(BIO_new(BIO_s_mem())), kb(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(cb.get(), cert.get());
  PEM_write_bio_PrivateKey(kb.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return KeyPair{Text(cb.get()), Text(kb.get())};
}

}  // namespace

Result<KeyPair> CreateAuthority(const std::string& common_name, int days) {
  return Make({.common_name = common_name, .organizations = {}, .days = days, .alt_names = {}}, nullptr, nullptr, true);
}

Result<KeyPair> IssueCertificate(const KeyPair& authority, const CertificateRequest& request) {
  Bio cb(BIO_new_mem_buf(authority.certificate.data(), static_cast<int>(authority.certificate.size())));
  Bio kb(BIO_new_mem_buf(authority.key.data(), static_cast<int>(authority.key.size())));
  Cert ca(PEM_read_bio_X509(cb.get(), nullptr, nullptr, nullptr));
  Key key(PEM_read_bio_PrivateKey(kb.get(), nullptr, nullptr, nullptr));
  if (!ca || !key) return MakeError(Code::kInvalid, "the authority's certificate or key does not load");
  return Make(request, ca.get(), key.get(), false);
}

}  // namespace fairlead::http
