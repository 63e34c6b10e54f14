// SPDX-License-Identifier: MIT
// Forms with files: http::multipart, and its decoder without I/O.
#include <eddy/http/multipart.hpp>

#include <eddy/future.hpp>
#include <eddy/http/client.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/http/service.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "services/multipart.hpp"
#include "support/http/http_server.hpp"

namespace {

using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::detail::multipart_decoder;
namespace http = eddy::http;
namespace io = eddy::io;

/// A reader that returns at most `step` bytes of a text at once.
class pieces {
public:
    pieces(std::string text, std::size_t step) : text_(std::move(text)), step_(step) {}
    eddy::poll_result<result<std::size_t>> poll_read(eddy::context&, std::span<std::byte> into) {
        const auto count = std::min({into.size(), step_, text_.size() - used_});
        std::ranges::copy(std::as_bytes(std::span(text_)).subspan(used_, count), into.begin());
        used_ += count;
        return count;
    }

private:
    std::string text_;
    std::size_t step_;
    std::size_t used_ = 0;
};

http::request form_of(std::string text, std::size_t step = 100'000,
                      std::string_view type = "multipart/form-data; boundary=b") {
    http::request asked(http::method::post, "/");
    asked.headers.add("Content-Type", type);
    asked.body = http::body::from_reader(pieces(std::move(text), step));
    return asked;
}

/// Returns the parts of a form, one in each line, and the error after them.
task<result<std::string>> list_parts(http::request asked, http::multipart_options options, std::string& into) {
    http::multipart form(asked, options);
    for (;;) {
        auto part = co_await try_(form.next());
        if (!part) co_return "";
        into += part->name + '|' + (part->filename ? part->filename->untrusted() : "(none)") + '|' +
                std::string(part->headers.get("Content-Type").value_or("-")) + '|';
        into += co_await try_(part->body.read_text()) + '\n';
    }
}

std::string parts_of(http::request asked, http::multipart_options options = {}) {
    std::string all;
    eddy::test::run_paused([&]() -> task<void> {
        const auto done = co_await list_parts(std::move(asked), options, all);
        if (!done && done.error() == http::errc::bad_form) {
            all += "(bad form)";
        } else if (!done) {
            all += done.error().message();
        }
    });
    return all;
}

// What curl -F name=value -F 'file=@a.txt' sends, and an example of RFC 7578.
const std::string form =
    "--b\r\n"
    "Content-Disposition: form-data; name=\"name\"\r\n"
    "\r\n"
    "a\r\n--\r\nb\r\n-\r\n"
    "\r\n--b\r\n"
    "Content-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\" c:\\d.txt\"\r\n"
    "Content-Type: text/plain;charset=UTF-8\r\n"
    "\r\n"
    "\r\n"
    "\r\n--b  \r\n"
    "content-disposition: Form-Data;filename=\"\" ; name=empty\r\n"
    "\r\n"
    "\r\n--b--\r\n";
const std::string parts =
    "name|(none)|-|a\r\n--\r\nb\r\n-\r\n\n"
    "file|a \"b\" c:\\d.txt|text/plain;charset=UTF-8|\r\n\n"
    "empty||-|\n";

TEST(HttpMultipart, PartsInPiecesOfAnySize) {
    for (std::size_t step = 1; step <= form.size(); ++step) EXPECT_EQ(parts_of(form_of(form, step)), parts) << step;
}

TEST(HttpMultipart, PreambleAndEpilogueAreSkipped) {
    for (const std::string before : {"\r\n", "x\r\n", "--\r\n", "-b\r\n--c\r\n"})
        for (const std::size_t step : {1U, 7U, 10'000U})
            EXPECT_EQ(parts_of(form_of(before + form + "epilogue --b\r\n", step)), parts) << before;
}

TEST(HttpMultipart, FormWithoutPartsIsEmpty) { EXPECT_EQ(parts_of(form_of("--b--")), ""); }

// RFC 2046, section 5.1.1: no line of a part begins with the delimiter, also not its first one.
TEST(HttpMultipart, DelimiterRightAfterTheHeaderFieldsEndsAnEmptyPart) {
    const auto head = [](std::string name) {
        return "--b\r\nContent-Disposition: form-data; name=" + name + "\r\n\r\n";
    };
    const auto text = head("a") + head("c") + "--b--";
    for (std::size_t step = 1; step <= text.size(); ++step)
        EXPECT_EQ(parts_of(form_of(text, step)), "a|(none)|-|\nc|(none)|-|\n") << step;
    EXPECT_EQ(parts_of(form_of(head("a") + "--\r\n--b--")), "a|(none)|-|--\n");
}

// As in the parsers of Go and Python.
TEST(HttpMultipart, LineThatOnlyBeginsWithTheDelimiterIsContent) {
    const std::string head = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n";
    for (const std::string line : {"--bx", "--b-", "--b-x", "--bb", "--b\xff", "--b:"}) {
        for (const std::string& content : {line, line + "\r\n" + line, "x\r\n" + line + "\r\n--b", "\r\n" + line}) {
            const auto text = head + content + (content.ends_with("--b") ? "x" : "") + "\r\n--b--";
            const auto expected = "a|(none)|-|" + content + (content.ends_with("--b") ? "x" : "") + "\n";
            for (std::size_t step = 1; step <= text.size(); ++step)
                EXPECT_EQ(parts_of(form_of(text, step)), expected) << step;
        }
        for (std::size_t step = 1; step <= 8; ++step)
            EXPECT_EQ(parts_of(form_of(line + "\r\n" + head + "y\r\n--b--", step)), "a|(none)|-|y\n") << "preamble";
    }
    for (const std::string line : {"--b x", "--b\tx", "--b\rx", "--b\nx"})
        EXPECT_EQ(parts_of(form_of(head + "y\r\n" + line + "\r\n--b--")), "a|(none)|-|y\n(bad form)") << line;
}

TEST(HttpMultipart, BodyLargerThanTheBuffer) {
    std::string value;
    while (value.size() < 100'000) value += "\r\n--" + std::to_string(value.size());
    const std::string text = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n" + value + "\r\n--b--";
    for (const std::size_t step : {1000U, 16'384U, 200'000U})
        EXPECT_EQ(parts_of(form_of(text, step)), "a|(none)|-|" + value + "\n");
}

TEST(HttpMultipart, MalformedFormsAreRefused) {
    const std::string head = "--b\r\nContent-Disposition: form-data; name=a\r\n";
    for (const std::string& text : std::vector<std::string>{
             "",
             "x",
             "--",
             "--b",
             "--b\r\n",
             "--bc\r\n",
             "--b-\r\n",
             "--b\n",
             head,
             head + "\r\n",
             head + "\r\nvalue",
             head + "\r\nvalue\r\n--b",
             head + "no colon\r\n\r\n\r\n--b--",
             head + "a b: c\r\n\r\n\r\n--b--",
             head + " folded\r\n\r\n\r\n--b--",
             head + "a: b\nc: d\r\n\r\n\r\n--b--",
             "--b\r\nContent-Disposition: form-data\r\n\r\n\r\n--b--",
             "--b\r\nContent-Disposition: attachment; name=a\r\n\r\n\r\n--b--",
             "--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\n\r\n--b--",
             "--b\r\nContent-Disposition: form-data; name=a; filename=\"a\r\n\r\n\r\n--b--",
             "--b\r\nContent-Disposition: form-data; name=a; filename=\"a\"b\r\n\r\n\r\n--b--",
             "--b\r\nContent-Disposition: form-data; name=a; filename\r\n\r\n\r\n--b--",
             "--b\r\n\r\n\r\n--b--",
             head + "X: " + std::string(5000, 'x') + "\r\n\r\n\r\n--b--",
             head + "X: " + std::string(5000, 'x'),
         })
        for (const std::size_t step : {1U, 10'000U}) {
            const auto got = parts_of(form_of(text, step));
            EXPECT_TRUE(got.ends_with("(bad form)")) << text << "\n" << got;
        }
}

TEST(HttpMultipart, TypeOfTheRequestDecides) {
    for (const char* const type : {"multipart/form-data; boundary=\"b\"", "Multipart/Form-Data;charset=x; BOUNDARY=b"})
        EXPECT_EQ(parts_of(form_of(form, 100, type)), parts) << type;
    const auto long_one = "multipart/form-data; boundary=" + std::string(71, 'b');
    for (const char* const type :
         {"multipart/form-data", "multipart/mixed; boundary=b", "text/plain", "", "multipart/form-data; boundary=\"b",
          "multipart/form-data; boundary=", long_one.c_str()})
        EXPECT_EQ(parts_of(form_of(form, 100, type)), "(bad form)") << type;
}

TEST(HttpMultipart, TooManyPartsAreTooLarge) {
    EXPECT_EQ(parts_of(form_of(form), http::multipart_options().max_parts(3)), parts);
    const auto got = parts_of(form_of(form), http::multipart_options().max_parts(2));
    EXPECT_TRUE(
        got.ends_with("txt|text/plain;charset=UTF-8|\r\n\n" + make_error_code(http::errc::body_too_large).message()))
        << got;
}

TEST(HttpMultipart, UnreadPartsAreSkipped) {
    eddy::test::run_paused([]() -> task<void> {
        auto asked = form_of(form, 3);
        std::optional<http::multipart> reader(std::in_place, asked);
        auto first = co_await reader->next();
        std::array<std::byte, 2> some{};
        auto count = co_await io::read((*first)->body, some);
        EXPECT_EQ(count.value(), 1U);
        auto second = co_await reader->next();
        EXPECT_EQ((*second)->name, "file");
        count = co_await io::read((*first)->body, some);
        EXPECT_EQ(count.error(), http::errc::part_skipped);
        EXPECT_NE(count.error().message().find("read it before that call"), std::string::npos);
        reader.reset();
        const auto text = co_await (*second)->body.read_text();
        EXPECT_EQ(text.value(), "\r\n");
    });
}

TEST(HttpMultipart, ErrorOfTheBodyIsReturned) {
    eddy::test::run_paused([]() -> task<void> {
        http::request asked = form_of("");
        asked.body = http::body::from_reader(pieces(form.substr(0, 60), 10), 1000);
        http::multipart reader(asked);
        auto part = co_await reader.next();
        const auto text = co_await (*part)->body.read_text();
        EXPECT_EQ(text.error(), http::errc::body_too_short);
        EXPECT_EQ(make_error_code(http::errc::bad_form), std::errc::bad_message);
    });
}

TEST(HttpMultipart, ParametersOfFields) {
    const auto value = [](std::string_view field) {
        const auto found = eddy::detail::field_parameter(field, "name");
        return found ? found->value_or("(none)") : found.error() == http::errc::bad_form ? "(bad form)" : "(error)";
    };
    EXPECT_EQ(value("a; name=b"), "b");
    EXPECT_EQ(value("a;x=\"; name=c\";name=b"), "b");
    EXPECT_EQ(value("a; NAME=\"b;c\" ; x=y"), "b;c");
    EXPECT_EQ(value(R"(a; name="\\\"\c")"), R"(\"\c)");
    EXPECT_EQ(value("a; name="), "");
    EXPECT_EQ(value("a; filename=b"), "(none)");
    EXPECT_EQ(value("name=b"), "(none)");
    EXPECT_EQ(value("a;; ; x=\"\" ;"), "(none)");
    for (const char* const malformed :
         {"a; x; name=b", "a; name", "a; name=\"b\"c", "a; name=\"b", "a; name=\"b\\\\", "a; x=\"b; name=c", "a; =b"})
        EXPECT_EQ(value(malformed), "(bad form)") << malformed;
}

TEST(HttpMultipart, BackslashOfABrowserMayEndAText) {
    const auto value = [](std::string_view field) {
        return eddy::detail::field_parameter(field, "filename").value().value_or("(none)");
    };
    EXPECT_EQ(value(R"(a; filename="b\")"), R"(b\)");
    EXPECT_EQ(value(R"(a; filename="b\" ; x=y)"), R"(b\)");
    EXPECT_EQ(value(R"(a; x="c:\"; filename="b")"), "b");
    EXPECT_EQ(value(R"(a; filename="b\"c\"")"), R"(b"c")");
    EXPECT_EQ(value(R"(a; filename="b\\")"), R"(b\)");
    EXPECT_EQ(value(R"(a; filename="\" d")"), R"(" d)");
    EXPECT_EQ(parts_of(form_of("--b\r\nContent-Disposition: form-data; name=a; filename=\"c:\\\"\r\n\r\nx\r\n--b--")),
              "a|c:\\|-|x\n");
}

#ifdef EDDY_TEST_HTTP2
TEST(HttpMultipart, MalformedFormKeepsHttp2Connection) {
    const auto app = [](http::request asked) -> task<result<http::response>> {
        http::multipart reader(asked);
        const auto part = co_await try_(reader.next());
        const auto rest = co_await try_(reader.next());
        co_return http::response::text(part && !rest ? "one part" : "other parts");
    };
    const auto script = [](eddy::net::socket_addr at, const auto&) -> task<void> {
        const auto url = "http://" + at.to_string();
        const http::client web(http::client_options().prior_knowledge(true));
        for (int i = 0; i < 3; ++i) {
            const auto refused = co_await web.post(url, "multipart/form-data; boundary=b", "--b\r\nx");
            EXPECT_EQ(refused.value().status, http::status::bad_request);
        }
    };
    int errors = 0;
    auto options = http::serve_options().on_error([&](const auto&) { ++errors; });
    eddy::core loop;
    const auto report = loop.run(support::serve_http_during(http::service(app), std::move(options), script));
    EXPECT_EQ(report.accepted, 1U);
    EXPECT_EQ(errors, 0);
}
#endif

// ---- Names of files ----

static_assert(!std::is_convertible_v<http::client_filename, std::string>);
static_assert(!std::is_convertible_v<http::client_filename, std::string_view>);
static_assert(!std::is_constructible_v<std::filesystem::path, http::client_filename>);
static_assert(!std::is_constructible_v<std::filesystem::path, std::optional<http::client_filename>>);

std::string safe(std::string sent) { return http::client_filename(std::move(sent)).safe(); }

TEST(HttpMultipart, SafeFilenameStaysInTheFolder) {
    EXPECT_EQ(safe("a.txt"), "a.txt");
    EXPECT_EQ(safe("b c.tar.gz"), "b c.tar.gz");
    EXPECT_EQ(safe("../../etc/passwd"), "passwd");
    EXPECT_EQ(safe("/etc/passwd"), "passwd");
    EXPECT_EQ(safe("..\\..\\boot.ini"), "boot.ini");
    EXPECT_EQ(safe("C:\\Users\\a/b\\c.txt"), "c.txt");
    EXPECT_EQ(safe("c:d.txt"), "c_d.txt");
    EXPECT_EQ(safe(".."), "__");
    EXPECT_EQ(safe("."), "_");
    EXPECT_EQ(safe("a/.."), "__");
    EXPECT_EQ(safe(""), "file");
    EXPECT_EQ(safe("a/"), "file");
    EXPECT_EQ(safe(".bashrc"), "_bashrc");
}
TEST(HttpMultipart, SafeFilenameHasNoSpecialCharacters) {
    EXPECT_EQ(safe(std::string("a\0b\nc\x1f\x7f", 7)), "a_b_c__");
    EXPECT_EQ(safe("<>:\"|?*"), "_______");
    EXPECT_EQ(safe("a. ."), "a___");
    EXPECT_EQ(safe(" a"), " a");
    EXPECT_EQ(safe("\u00e4\u20ac.txt"), "\u00e4\u20ac.txt");
    for (const auto* device : {"con", "PRN", "aux.txt", "Nul.tar.gz", "com0", "COM9.x", "lpt1"})
        EXPECT_EQ(safe(device), "_" + std::string(device));
    for (const auto* name : {"cons", "com", "comx", "com10", "lp1", "a.nul", "null"}) EXPECT_EQ(safe(name), name);
}
TEST(HttpMultipart, SafeFilenameIsCutBetweenCharacters) {
    EXPECT_EQ(safe(std::string(200, 'a')), std::string(200, 'a'));
    EXPECT_EQ(safe(std::string(201, 'a')), std::string(200, 'a'));
    EXPECT_EQ(safe(std::string(199, 'a') + "\u00e4"), std::string(199, 'a'));
    EXPECT_EQ(safe(std::string(198, 'a') + "\u00e4b"), std::string(198, 'a') + "\u00e4");
    EXPECT_EQ(safe(std::string(500, '\x80')), "file") << "no character";
    EXPECT_EQ(safe("dir/" + std::string(199, 'a') + ".b"), std::string(199, 'a') + "_") << "the end after the cut";
}

}  // namespace
