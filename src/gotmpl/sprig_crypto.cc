// sprig's cryptography, by OpenSSL and libcrypt. Source of the behaviour: Masterminds/sprig v3.3 crypto.go.
#include <arpa/inet.h>
#include <crypt.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "gotmpl/quote.h"
#include "gotmpl/sprig.h"
#include "util/strings.h"

namespace fairlead::gotmpl::sprig {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, Deleter<EVP_CIPHER_CTX_free>>;

std::string Contents(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}
Bio Memory(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// -- keys

Key Generate(const std::string& type, int bits) {
  int id = type == "rsa"       ? EVP_PKEY_RSA
           : type == "ecdsa"   ? EVP_PKEY_EC
           : type == "ed25519" ? EVP_PKEY_ED25519
                               : EVP_PKEY_DSA;
  Key parameters;
  if (id == EVP_PKEY_DSA) {
    KeyContext c(EVP_PKEY_CTX_new_id(id, nullptr));
    EVP_PKEY* p = nullptr;
    if (EVP_PKEY_paramgen_init(c.get()) <= 0 || EVP_PKEY_CTX_set_dsa_paramgen_bits(c.get(), 2048) <= 0 ||
        EVP_PKEY_paramgen(c.get(), &p) <= 0)
      return nullptr;
    parameters.reset(p);
  }
  KeyContext c(parameters ? EVP_PKEY_CTX_new(parameters.get(), nullptr) : EVP_PKEY_CTX_new_id(id, nullptr));
  EVP_PKEY* key = nullptr;
  if (!c || EVP_PKEY_keygen_init(c.get()) <= 0) return nullptr;
  if (id == EVP_PKEY_RSA) EVP_PKEY_CTX_set_rsa_keygen_bits(c.get(), bits);
  if (id == EVP_PKEY_EC) EVP_PKEY_CTX_set_ec_paramgen_curve_nid(c.get(), NID_X9_62_prime256v1);
  if (EVP_PKEY_keygen(c.get(), &key) <= 0) return nullptr;
  return Key(key);
}

// RSA PRIVATE KEY, EC PRIVATE KEY and so on; PKCS#8 for what has no form of its own.
std::string KeyText(EVP_PKEY* key) {
  Bio bio(BIO_new(BIO_s_mem()));
  if (EVP_PKEY_id(key) == EVP_PKEY_ED25519)
    PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  else
    PEM_write_bio_PrivateKey_traditional(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return Contents(bio.get());
}

int NoPassword(char*, int, int, void*) { return 0; }

Result<Key> ReadKey(const std::string& pem) {
  if (pem.find("-----BEGIN") == pem.npos) return Fail("no PEM data in input");
  Key key(PEM_read_bio_PrivateKey(Memory(pem).get(), nullptr, NoPassword, nullptr));
  if (!key) return Fail("no private key data in PEM block");
  return key;
}

// -- certificates

// What the functions give: .Cert and .Key.
class CertificateAndKey : public Object {
 public:
  CertificateAndKey(std::string certificate, std::string private_key)
      : cert(std::move(certificate)), key(std::move(private_key)) {}
  const std::string cert, key;
  const char* TypeName() const override { return "sprig.certificate"; }
  std::string Print() const override { return "{" + cert + " " + key + "}"; }
  std::optional<Result<Value>> Member(const std::string& name, const List&) override {
    if (name == "Cert") return Value(cert);
    if (name == "Key") return Value(key);
    return std::nullopt;
  }
};

struct Request {
  std::string common_name;
  std::vector<std::string> ips, names;
  int64_t days = 0;
  bool authority = false;
};

Result<std::vector<std::string>> TextsOf(const Value& v, bool ips) {
  std::vector<std::string> out;
  if (v.is_nil()) return out;
  if (!v.as_list()) return Fail("wrong type for value; expected []interface {}; got " + TypeName(v));
  for (const Value& item : **v.as_list()) {
    if (!item.as_string())
      return Fail(ips ? "error parsing ip: " + Print(item) + " is not a string"
                      : "error processing alternate dns name: " + Print(item) + " is not a string");
    unsigned char address[16];
    if (ips && inet_pton(AF_INET, Text(item).c_str(), address) != 1 &&
        inet_pton(AF_INET6, Text(item).c_str(), address) != 1)
      return Fail("error parsing ip: " + Text(item));
    if (Text(item).find_first_of(",\n") != std::string::npos)
      return Fail("error processing alternate dns name: " + QuoteGo(Text(item)));
    out.push_back(Text(item));
  }
  return out;
}

void Extend(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  if (X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str())) {
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
  }
}

// Signed by `issuer`, or by itself.
Result<std::string> Sign(const Engine& e, const Request& r, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key) {
  Certificate cert(X509_new());
  X509_set_version(cert.get(), 2);
  std::string serial = e.sources().random(16);
  serial[0] = static_cast<char>(serial[0] & 0x7f);
  BIGNUM* number = BN_bin2bn(reinterpret_cast<const unsigned char*>(serial.data()), 16, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert.get()));
  BN_free(number);
  auto now = static_cast<time_t>(
      std::chrono::duration_cast<std::chrono::seconds>(e.sources().now().time_since_epoch()).count());
  if (!ASN1_TIME_adj(X509_getm_notBefore(cert.get()), now, 0, 0) ||
      !ASN1_TIME_adj(X509_getm_notAfter(cert.get()), now,
                     static_cast<int>(std::clamp<int64_t>(r.days, -1000000, 1000000)), 0))
    return Fail("error creating certificate: cannot be valid for " + std::to_string(r.days) + " days");
  X509_set_pubkey(cert.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(r.common_name.data()),
                             static_cast<int>(r.common_name.size()), -1, 0);
  X509* signer = issuer ? issuer : cert.get();
  X509_set_issuer_name(cert.get(), X509_get_subject_name(signer));
  Extend(cert.get(), signer, NID_key_usage,
         std::string("critical,digitalSignature,keyEncipherment") + (r.authority ? ",keyCertSign" : ""));
  Extend(cert.get(), signer, NID_ext_key_usage, "serverAuth,clientAuth");
  Extend(cert.get(), signer, NID_basic_constraints, r.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (r.authority) Extend(cert.get(), signer, NID_subject_key_identifier, "hash");
  if (issuer) Extend(cert.get(), signer, NID_authority_key_identifier, "keyid");
  std::string names;
  for (const std::string& name : r.names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
  for (const std::string& ip : r.ips) names += (names.empty() ? "IP:" : ",IP:") + ip;
  if (!names.empty()) Extend(cert.get(), signer, NID_subject_alt_name, names);
  const EVP_MD* digest = EVP_PKEY_id(issuer_key) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
  if (!X509_sign(cert.get(), issuer_key, digest))
    return Fail("error creating certificate: it cannot be signed with that key");
  Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), cert.get());
  return Contents(bio.get());
}

const CertificateAndKey* AuthorityIn(const Value& v) {
  auto o = v.as_object();
  return o ? dynamic_cast<const CertificateAndKey*>(o->get()) : nullptr;
}

// `key_text` empty: a new key. `authority` none: self-signed.
Result<Value> Issue(const Engine& e, const Request& r, const std::string* key_text,
                    const CertificateAndKey* authority) {
  Key key;
  if (key_text) {
    auto read = ReadKey(*key_text);
    if (!read.ok()) return Fail("parsing private key: " + read.error().message);
    key = std::move(*read);
  } else {
    key = Generate("rsa", 2048);
    if (!key) return Fail("error generating rsa key");
  }
  Certificate issuer;
  Key issuer_key;
  if (authority) {
    issuer.reset(PEM_read_bio_X509(Memory(authority->cert).get(), nullptr, NoPassword, nullptr));
    if (!issuer) return Fail("unable to decode certificate");
    auto read = ReadKey(authority->key);
    if (!read.ok()) return Fail("error parsing private key: " + read.error().message);
    issuer_key = std::move(*read);
  }
  FL_ASSIGN(std::string cert, Sign(e, r, key.get(), issuer.get(), authority ? issuer_key.get() : key.get()));
  return Value(ObjectPtr(std::make_shared<CertificateAndKey>(cert, KeyText(key.get()))));
}

Result<Value> BuildCustom(const List& a) {
  auto cert = Base64Decode(Text(a[0])), key = Base64Decode(Text(a[1]));
  if (!cert.ok()) return Fail("unable to decode base64 certificate");
  if (!key.ok()) return Fail("unable to decode base64 private key");
  if (cert->find("-----BEGIN") == cert->npos) return Fail("unable to decode certificate");
  Certificate parsed(PEM_read_bio_X509(Memory(*cert).get(), nullptr, NoPassword, nullptr));
  if (!parsed) return Fail("error parsing certificate: decodedCert.Bytes: it is no certificate");
  auto read = ReadKey(*key);
  if (!read.ok()) return Fail("error parsing private key: " + read.error().message);
  return Value(ObjectPtr(std::make_shared<CertificateAndKey>(*cert, *key)));
}

void RegisterCertificates(Engine& e) {
  e.Register("genPrivateKey", {{S::kString}}, [](Engine&, const List& a) -> Result<Value> {
    std::string type = Text(a[0]).empty() ? "rsa" : Text(a[0]);
    if (type != "rsa" && type != "dsa" && type != "ecdsa" && type != "ed25519") return Value("Unknown type " + type);
    Key key = Generate(type, 4096);
    if (!key) return Value("failed to generate private key");
    return Value(KeyText(key.get()));
  });
  Define(e, "buildCustomCert", {{S::kString, S::kString}}, BuildCustom);
  for (bool with_key : {false, true}) {
    auto signature = [&](std::vector<S::Type> types) {
      if (with_key) types.push_back(S::kString);
      return S{std::move(types)};
    };
    std::string suffix = with_key ? "WithKey" : "";
    auto key_of = [with_key](const List& a) { return with_key ? a.back().as_string() : nullptr; };
    e.Register("genCA" + suffix, signature({S::kString, S::kInt}),
               [key_of](Engine& engine, const List& a) -> Result<Value> {
                 return Issue(engine, {.common_name = Text(a[0]), .days = *a[1].as_int(), .authority = true}, key_of(a),
                              nullptr);
               });
    auto request = [](const List& a) -> Result<Request> {
      FL_ASSIGN(auto ips, TextsOf(a[1], true));
      FL_ASSIGN(auto names, TextsOf(a[2], false));
      return Request{.common_name = Text(a[0]), .ips = ips, .names = names, .days = *a[3].as_int()};
    };
    e.Register("genSelfSignedCert" + suffix, signature({S::kString, S::kAny, S::kAny, S::kInt}),
               [key_of, request](Engine& engine, const List& a) -> Result<Value> {
                 FL_ASSIGN(Request r, request(a));
                 return Issue(engine, r, key_of(a), nullptr);
               });
    e.Register("genSignedCert" + suffix, signature({S::kString, S::kAny, S::kAny, S::kInt, S::kAny}),
               [key_of, request](Engine& engine, const List& a) -> Result<Value> {
                 FL_ASSIGN(Request r, request(a));
                 auto authority = AuthorityIn(a[4]);
                 if (!authority) return Fail("wrong type for value; expected sprig.certificate; got " + TypeName(a[4]));
                 return Issue(engine, r, key_of(a), authority);
               });
  }
}

// -- passwords

std::string Bcrypt(const Engine& e, const std::string& password) {
  if (password.size() > 72) return "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes";
  std::string random = e.sources().random(16);
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  crypt_data data{};
  if (!crypt_gensalt_rn("$2a$", 10, random.data(), static_cast<int>(random.size()), setting, sizeof setting))
    return "failed to encrypt string with bcrypt: no salt";
  const char* hash = crypt_r(password.c_str(), setting, &data);
  return hash && hash[0] == '$' ? hash : "failed to encrypt string with bcrypt";
}

std::string BigEndian(uint32_t n) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(n >> shift);
  return out;
}

Result<Value> DerivePassword(const List& a) {
  static const std::map<std::string, std::vector<std::string>> kTemplates = {
      {"maximum", {"anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"}},
      {"long",
       {"CvcvnoCvcvCvcv", "CvcvCvcvnoCvcv", "CvcvCvcvCvcvno", "CvccnoCvcvCvcv", "CvccCvcvnoCvcv", "CvccCvcvCvcvno",
        "CvcvnoCvccCvcv", "CvcvCvccnoCvcv", "CvcvCvccCvcvno", "CvcvnoCvcvCvcc", "CvcvCvcvnoCvcc", "CvcvCvcvCvccno",
        "CvccnoCvccCvcv", "CvccCvccnoCvcv", "CvccCvccCvcvno", "CvcvnoCvccCvcc", "CvcvCvccnoCvcc", "CvcvCvccCvccno",
        "CvccnoCvcvCvcc", "CvccCvcvnoCvcc", "CvccCvcvCvccno"}},
      {"medium", {"CvcnoCvc", "CvcCvcno"}},
      {"short", {"Cvcn"}},
      {"basic", {"aaanaaan", "aannaaan", "aaannaaa"}},
      {"pin", {"nnnn"}}};
  static const std::map<char, std::string> kCharacters = {
      {'V', "AEIOU"},
      {'C', "BCDFGHJKLMNPQRSTVWXYZ"},
      {'v', "aeiou"},
      {'c', "bcdfghjklmnpqrstvwxyz"},
      {'A', "AEIOUBCDFGHJKLMNPQRSTVWXYZ"},
      {'a', "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"},
      {'n', "0123456789"},
      {'o', "@&%?,=[]_:-+*$#!'^~;()/."},
      {'x', "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()"}};
  const std::string seed_text = "com.lyndir.masterpassword", &type = Text(a[1]), &user = Text(a[3]), &site = Text(a[4]);
  auto templates = kTemplates.find(type);
  if (templates == kTemplates.end()) return Value("cannot find password template " + type);
  std::string salt = seed_text + BigEndian(static_cast<uint32_t>(user.size())) + user, key(64, '\0');
  if (!EVP_PBE_scrypt(Text(a[2]).data(), Text(a[2]).size(), reinterpret_cast<const unsigned char*>(salt.data()),
                      salt.size(), 32768, 8, 2, 128u << 20, reinterpret_cast<unsigned char*>(key.data()), key.size()))
    return Value("failed to derive password: scrypt");
  std::string seed = value::HmacSha256(key, seed_text + BigEndian(static_cast<uint32_t>(site.size())) + site +
                                                BigEndian(static_cast<uint32_t>(*a[0].as_int())));
  const std::string& form = templates->second[static_cast<unsigned char>(seed[0]) % templates->second.size()];
  std::string out;
  for (size_t i = 0; i < form.size(); ++i) {
    const std::string& from = kCharacters.at(form[i]);
    out += from[static_cast<unsigned char>(seed[i + 1]) % from.size()];
  }
  return Value(out);
}

// -- AES-256 in CBC mode with the password as its key, cut or filled with zeros; the IV stands before what it hides.

Result<std::string> Aes(bool encrypt, const std::string& password, const std::string& iv, const std::string& text) {
  std::string key = password.substr(0, 32);
  key.resize(32, '\0');
  Cipher c(EVP_CIPHER_CTX_new());
  std::string out(text.size() + 32, '\0');
  int first = 0, last = 0;
  auto bytes = [](const std::string& s) { return reinterpret_cast<const unsigned char*>(s.data()); };
  auto to = reinterpret_cast<unsigned char*>(out.data());
  if (!EVP_CipherInit_ex(c.get(), EVP_aes_256_cbc(), nullptr, bytes(key), bytes(iv), encrypt) ||
      !EVP_CipherUpdate(c.get(), to, &first, bytes(text), static_cast<int>(text.size())) ||
      !EVP_CipherFinal_ex(c.get(), to + first, &last))
    return Fail("the text cannot be decrypted with that password");
  out.resize(static_cast<size_t>(first + last));
  return out;
}

}  // namespace

void RegisterCrypto(Engine& e) {
  RegisterCertificates(e);
  e.Register("bcrypt", {{S::kString}},
             [](Engine& engine, const List& a) -> Result<Value> { return Value(Bcrypt(engine, Text(a[0]))); });
  e.Register("htpasswd", {{S::kString, S::kString}}, [](Engine& engine, const List& a) -> Result<Value> {
    if (Text(a[0]).find(':') != std::string::npos) return Value("invalid username: " + Text(a[0]));
    return Value(Text(a[0]) + ":" + Bcrypt(engine, Text(a[1])));
  });
  Define(e, "derivePassword", {{S::kInt, S::kString, S::kString, S::kString, S::kString}}, DerivePassword);
  e.Register("encryptAES", {{S::kString, S::kString}}, [](Engine& engine, const List& a) -> Result<Value> {
    std::string iv = engine.sources().random(16);
    FL_ASSIGN(std::string hidden, Aes(true, Text(a[0]), iv, Text(a[1])));
    return Value(Base64Encode(iv + hidden));
  });
  Define(e, "decryptAES", {{S::kString, S::kString}}, [](const List& a) -> Result<Value> {
    auto all = Base64Decode(Text(a[1]));
    if (!all.ok()) return Fail("illegal base64 data at input byte 0");
    if (all->size() < 16) return Fail("the text is too short to be encrypted");
    FL_ASSIGN(std::string text, Aes(false, Text(a[0]), all->substr(0, 16), all->substr(16)));
    return Value(text);
  });
}

}  // namespace fairlead::gotmpl::sprig
