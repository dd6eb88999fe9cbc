// X.509 certificates for a private authority: EC P-256 keys, PEM texts.
#pragma once
#include <string>
#include <vector>

#include "util/result.h"

namespace fairlead::http {

struct KeyPair {
  std::string certificate;  // PEM
  std::string key;          // PEM
};

struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> organizations;
  int days = 1;
  std::vector<std::string> alt_names;  // "DNS:localhost", "IP:127.0.0.1"
};

Result<KeyPair> CreateAuthority(const std::string& common_name, int days);
Result<KeyPair> IssueCertificate(const KeyPair& authority, const CertificateRequest& request);

}  // namespace fairlead::http
