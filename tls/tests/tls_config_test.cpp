// SPDX-License-Identifier: MIT
// covers: P067
#include <eddy/tls/config.hpp>

#include <eddy/tls/error.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "support/certificates.hpp"
#include "support/temp_dir.hpp"

namespace {

using eddy::tls::client_builder;
using eddy::tls::identity;
using eddy::tls::server_builder;

identity make_identity() {
    const auto issued = support::certificate_authority().issue({"DNS:localhost"});
    return *identity::from_pem(issued.pem, issued.key);
}

TEST(TlsIdentity, TextThatIsNotPemIsRefused) {
    const auto issued = support::certificate_authority().issue({"DNS:localhost"});
    EXPECT_EQ(identity::from_pem("no certificate", issued.key).error().category(), eddy::tls::openssl_category());
    EXPECT_EQ(identity::from_pem(issued.pem, "no key").error().category(), eddy::tls::openssl_category());
    EXPECT_EQ(
        identity::from_pem("", "").error().message(),
        "no certificate found (the text or file contains no certificate in PEM format, which starts with -----BEGIN "
        "CERTIFICATE-----: pass the certificate first, and the private key second)");
    EXPECT_EQ(identity::from_pem(issued.key, issued.pem).error(), identity::from_pem("", "").error());  // swapped
    const std::string no_key = identity::from_pem(issued.pem, "no key").error().message();
    EXPECT_TRUE(no_key.contains("contains no private key in PEM format")) << no_key;
}

TEST(TlsIdentity, KeyOfAnotherCertificateIsRefused) {
    const support::certificate_authority authority;
    const auto one = authority.issue({"DNS:localhost"});
    const auto other = authority.issue({"DNS:localhost"});
    EXPECT_EQ(
        identity::from_pem(one.pem, other.key).error().message(),
        "key values mismatch (the private key does not belong to the certificate: pass the two files of one pair)");
}

TEST(TlsIdentity, EncryptedKeyIsReported) {
    const auto issued = support::certificate_authority().issue({"DNS:localhost"});
    const std::string text = identity::from_pem(issued.pem, support::encrypted(issued.key)).error().message();
    EXPECT_TRUE(text.contains("the private key is encrypted: decrypt it first")) << text;
}

TEST(TlsIdentity, IsReadFromFiles) {
    const support::temp_dir folder;
    const auto issued = support::certificate_authority().issue({"DNS:localhost"});
    const std::filesystem::path chain = folder / "chain.pem";
    const std::filesystem::path key = folder / "key.pem";
    std::ofstream(chain) << issued.pem;
    auto missing = identity::from_files(chain, key).error();
    EXPECT_EQ(missing, std::errc::no_such_file_or_directory);
    EXPECT_EQ(missing.message(),
              "No such file or directory (the file of the private key, the second one of identity::from_files())");
    missing = identity::from_files(folder / "none.pem", key).error();
    EXPECT_EQ(missing, std::errc::no_such_file_or_directory);
    EXPECT_EQ(missing.message(),
              "No such file or directory (the file of the certificates, the first one of identity::from_files())");
    EXPECT_EQ(identity::from_files(folder / ".", key).error(), std::errc::is_a_directory);
    std::ofstream(key) << issued.key;
    EXPECT_TRUE(identity::from_files(chain, key).has_value());
    // The name of another file follows that of a file: C functions would open the first one.
    const auto with_nul = [](const std::filesystem::path& path) { return path.native() + std::string("\0x", 2); };
    EXPECT_EQ(identity::from_files(with_nul(chain), key).error(), eddy::errc::bad_path);
    EXPECT_EQ(identity::from_files(chain, with_nul(key)).error(), eddy::errc::bad_path);
    EXPECT_EQ(client_builder().trust_file(with_nul(chain)).build().error(), eddy::errc::bad_path);
}

TEST(TlsClientBuilder, MissingTrustFileIsError) {
    const auto missing = client_builder().trust_file("/nonexistent/ca.pem").build().error();
    EXPECT_EQ(missing, std::errc::no_such_file_or_directory);
    EXPECT_EQ(missing.message(), "No such file or directory (a file of trust_file())");
}

TEST(TlsClientBuilder, TrustedTextWithoutCertificateIsError) {
    EXPECT_EQ(client_builder().trust_pem("nothing").build().error().message(),
              "no start line (the text or file contains no certificate in PEM format, which starts with -----BEGIN "
              "CERTIFICATE-----)");
}

TEST(TlsBuilders, ProtocolNamesHaveOneTo255Bytes) {
    EXPECT_EQ(client_builder().alpn({""}).build().error(), std::errc::invalid_argument);
    EXPECT_EQ(client_builder().alpn({std::string(256, 'x')}).build().error(), std::errc::invalid_argument);
    EXPECT_EQ(server_builder(make_identity()).alpn({"h2", ""}).build().error(), std::errc::invalid_argument);
    EXPECT_TRUE(client_builder().alpn({std::string(255, 'x')}).build().has_value());
}

TEST(TlsBuilders, KeyLogThatCannotBeOpenedIsError) {
    EXPECT_EQ(client_builder().dangerous_key_log("/nonexistent/keys").build().error(),
              std::errc::no_such_file_or_directory);
    EXPECT_EQ(server_builder(make_identity()).dangerous_key_log("/nonexistent/keys").build().error(),
              std::errc::no_such_file_or_directory);
}

}  // namespace
