// SPDX-License-Identifier: MIT
#include "support/certificates.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "openssl.hpp"

namespace support {
namespace {

using eddy::detail::bio_owner;
using eddy::detail::certificate_owner;
using eddy::detail::frees_with;
using eddy::detail::key_owner;

void check(bool succeeded, const char* what) {
    if (!succeeded) throw std::runtime_error(what);
}

std::string text_of(BIO& from) {
    char* first = nullptr;
    const long size = BIO_get_mem_data(&from, &first);
    return {first, static_cast<std::size_t>(size)};
}

void add_extension(X509& to, X509& issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, &issuer, &to, nullptr, nullptr, 0);
    std::unique_ptr<X509_EXTENSION, frees_with<X509_EXTENSION_free>> made(
        X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
    check(made != nullptr && X509_add_ext(&to, made.get(), -1) == 1, "an extension of a certificate");
}

/// Creates a certificate of an authority, or of a server. Without an issuer, the certificate is self-signed.
certificate make(const std::string& name, const std::string& issuer_name, const certificate* issuer, bool is_authority,
                 const std::string& alternatives, long valid_seconds) {
    const key_owner own(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    const certificate_owner made(X509_new());
    check(own && made, "memory for a certificate");
    X509_set_version(made.get(), 2);
    std::uint32_t serial = 0;
    RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial));
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.get()), serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600 * 24);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), valid_seconds);
    X509_set_pubkey(made.get(), own.get());
    const auto set_name = [](X509_NAME* to, const std::string& text) {
        const auto* const bytes = reinterpret_cast<const unsigned char*>(text.c_str());
        X509_NAME_add_entry_by_txt(to, "CN", MBSTRING_UTF8, bytes, -1, -1, 0);
    };
    set_name(X509_get_subject_name(made.get()), name);
    certificate_owner issuer_certificate;
    key_owner issuer_key;
    if (issuer != nullptr) {
        const bio_owner text(BIO_new_mem_buf(issuer->pem.data(), static_cast<int>(issuer->pem.size())));
        issuer_certificate.reset(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
        const bio_owner secret(BIO_new_mem_buf(issuer->key.data(), static_cast<int>(issuer->key.size())));
        issuer_key.reset(PEM_read_bio_PrivateKey(secret.get(), nullptr, nullptr, nullptr));
    }
    set_name(X509_get_issuer_name(made.get()), issuer_name);
    X509& signer = issuer_certificate ? *issuer_certificate : *made;
    add_extension(*made, signer, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(*made, signer, NID_key_usage,
                  is_authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    if (!alternatives.empty()) add_extension(*made, signer, NID_subject_alt_name, alternatives);
    check(X509_sign(made.get(), issuer_key ? issuer_key.get() : own.get(), EVP_sha256()) != 0, "a signature");

    certificate result;
    const bio_owner pem(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(pem.get(), made.get());
    result.pem = text_of(*pem);
    const bio_owner secret(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(secret.get(), own.get(), nullptr, nullptr, 0, nullptr, nullptr);
    result.key = text_of(*secret);
    return result;
}

}  // namespace

std::string encrypted(const std::string& key) {
    const bio_owner from(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())));
    const key_owner read(PEM_read_bio_PrivateKey(from.get(), nullptr, nullptr, nullptr));
    const bio_owner to(BIO_new(BIO_s_mem()));
    const char password[] = "password";
    check(read != nullptr && PEM_write_bio_PKCS8PrivateKey(to.get(), read.get(), EVP_aes_128_cbc(), password,
                                                           sizeof password - 1, nullptr, nullptr) == 1,
          "cannot encrypt the key");
    return text_of(*to);
}

certificate_authority::certificate_authority(const std::string& name)
    : own_(make(name, name, nullptr, true, "", 3600 * 24)), name_(name) {}

certificate_authority::certificate_authority(const std::string& name, const certificate_authority& issuer)
    : own_(make(name, issuer.name_, &issuer.own_, true, "", 3600 * 24)), name_(name) {}

certificate certificate_authority::issue(const std::vector<std::string>& names, const options& how) const {
    std::string alternatives;
    for (const auto& each : names) alternatives += (alternatives.empty() ? "" : ",") + each;
    return make(how.common_name, name_, &own_, false, alternatives, how.is_expired ? -3600 : 3600 * 24);
}

}  // namespace support
