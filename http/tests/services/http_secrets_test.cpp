// SPDX-License-Identifier: MIT
// What signatures and passwords need: SHA-256, HMAC, and a comparison whose time does not depend on the bytes.
#include <eddy/http/secrets.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "message/hmac.hpp"

namespace {

namespace http = eddy::http;

std::string hex(const eddy::detail::sha256_bytes& bytes) {
    std::string text;
    for (const unsigned char each : bytes)
        text.append(1, "0123456789abcdef"[each / 16]).append(1, "0123456789abcdef"[each % 16]);
    return text;
}

TEST(HttpSecrets, HashesOfFips180) {
    const auto hash = [](std::string_view text) { return hex(eddy::detail::sha256(text)); };
    EXPECT_EQ(hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(hash(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(HttpSecrets, AuthenticationCodesOfRfc4231) {
    const auto code = [](std::string_view key, std::string_view text) {
        return hex(eddy::detail::hmac_sha256(key, text));
    };
    EXPECT_EQ(code(std::string(20, '\x0b'), "Hi There"),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(code("Jefe", "what do ya want for nothing?"),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(code(std::string(20, '\xaa'), std::string(50, '\xdd')),
              "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    EXPECT_EQ(code(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First"),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HttpSecrets, ComparisonOfTexts) {
    EXPECT_TRUE(http::equal_secrets("", ""));
    EXPECT_TRUE(http::equal_secrets("secret", "secret"));
    EXPECT_FALSE(http::equal_secrets("secret", "secres"));
    EXPECT_FALSE(http::equal_secrets("secret", "tecret"));
    EXPECT_FALSE(http::equal_secrets("secret", "secre"));
    EXPECT_FALSE(http::equal_secrets("", "s"));
    EXPECT_FALSE(http::equal_secrets("\xff", "\x7f"));
}

}  // namespace
