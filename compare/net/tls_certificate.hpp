// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "server_process.hpp"

namespace bench {

/// The certificate and the private key of a TLS server, as PEM text.
struct tls_certificate {
    std::string certificate;
    std::string key;
};

/// Makes a self-signed certificate with a new P-256 key. The clients do not verify it.
inline tls_certificate make_certificate() {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), &X509_free);
    if (!key || !made) die("OpenSSL has no P-256 key");
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 24L * 3600);
    X509_set_pubkey(made.get(), key.get());
    X509_NAME* const name = X509_get_subject_name(made.get());
    const auto* const text = reinterpret_cast<const unsigned char*>("localhost");  // SAFETY: unsigned char may alias
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
    X509_set_issuer_name(made.get(), name);
    if (X509_sign(made.get(), key.get(), EVP_sha256()) == 0) die("OpenSSL cannot sign the certificate");

    const std::unique_ptr<BIO, decltype(&BIO_free)> pem(BIO_new(BIO_s_mem()), &BIO_free);
    const auto take = [&] {
        char* first = nullptr;
        const long size = BIO_get_mem_data(pem.get(), &first);
        std::string all(first, static_cast<std::size_t>(size));
        BIO_reset(pem.get());
        return all;
    };
    tls_certificate both;
    PEM_write_bio_X509(pem.get(), made.get());
    both.certificate = take();
    PEM_write_bio_PrivateKey(pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    both.key = take();
    return both;
}

}  // namespace bench
