// SPDX-License-Identifier: MIT
// The service http::files(), and the conditions and ranges of requests.
// covers: P147
// runs: once
#include <eddy/http.hpp>

#include <eddy/io.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "message/syntax.hpp"
#include "services/conditions.hpp"
#include "support/emulated.hpp"
#include "support/executors.hpp"
#include "support/poll_once.hpp"
#include "support/temp_dir.hpp"
#ifdef __linux__
#include <sys/syscall.h>

#include "support/deny_io_uring.hpp"
#endif

namespace {

using namespace std::chrono_literals;
using eddy::task;
namespace http = eddy::http;
using fields = std::vector<std::pair<std::string, std::string>>;

/// A folder with a site in it, and a file beside the site that must not be sent.
class site {
public:
    site() {
        write("secret.txt", "secret");
        std::filesystem::create_directories(root() + "/docs/.well-known");
        std::filesystem::create_directories(root() + "/empty");
        write("public/a.txt", "0123456789");
        write("public/docs/index.html", "<p>");
        write("public/docs/.well-known/x", "known");
        write("public/.hidden", "hidden");
        write("public/a\\b.txt", "its name has a backslash");
        write("public/none", "");
        write("public/large.JS", std::string(150'000, 'x') + "end");
        std::filesystem::create_symlink("a.txt", root() + "/inside");
        std::filesystem::create_symlink("../secret.txt", root() + "/outside");
        std::filesystem::create_symlink("..", root() + "/above");
        std::filesystem::create_symlink("/etc/passwd", root() + "/absolute");
        EXPECT_EQ(::mkfifo((root() + "/fifo").c_str(), 0600), 0);
    }
    std::string root() const { return dir_ / "public"; }
    void write(const std::string& name, std::string_view content) const {
        std::ofstream(dir_ / name, std::ios::binary) << content;
    }

private:
    support::temp_dir dir_;
};

http::request asking(std::string target, const fields& more = {}, http::method what = http::method::get) {
    http::request asked(what, std::move(target));
    for (const auto& [name, value] : more) asked.headers.add(name, value);
    return asked;
}

/// Returns the status of a response and, after a space, its body.
task<std::string> text_of(http::service app, http::request asked) {
    auto answer = co_await app(std::move(asked));
    if (!answer) co_return "error";
    const auto text = co_await answer->body.read_text();
    co_return std::to_string(http::to_int(answer->status)) + " " + (text ? *text : text.error().message());
}

std::string field(const http::response& of, std::string_view name) {
    return std::string(of.headers.get(name).value_or("-"));
}

TEST(HttpFiles, LinksInsideTheRootAreFollowed) {
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user lacks openat2(2), without which no link is followed";
    const site made;
    eddy::test::run_paused([&]() -> task<void> {
        const auto app = http::files(made.root());
        EXPECT_EQ(co_await text_of(app, asking("/inside")), "200 0123456789");
    });
}

#ifdef __linux__

TEST(HttpFiles, NoLinkIsFollowedWithoutOpenat2) {
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user has no seccomp filters";
    const site made;
    for (const int error : {ENOSYS, EPERM}) {
        EXPECT_TRUE(support::run_without({SYS_openat2}, error, [&] {
            support::executor with_its_threads(1);
            with_its_threads.run([&]() -> task<void> {
                const auto app = http::files(made.root());
                EXPECT_EQ(co_await text_of(app, asking("/a.txt")), "200 0123456789");
                EXPECT_EQ(co_await text_of(app, asking("/docs/")), "200 <p>");
                EXPECT_EQ(co_await text_of(app, asking("/docs/.well-known/x")), "200 known");
                for (const auto* const target :
                     {"/inside", "/absolute", "/above/secret.txt", "/a.txt/b", "/docs/missing", "/no/a.txt"}) {
                    EXPECT_EQ(co_await text_of(app, asking(target)), "404 Not Found\n") << target;
                }
            }());
        }));
    }
}

#endif

TEST(HttpFiles, FilesAreSentWithTheirTypes) {
    const site made;
    eddy::test::run_paused([&]() -> task<void> {
        const auto app = http::files(made.root());
        auto answer = (co_await app(asking("/a.txt?query"))).value();
        EXPECT_EQ(field(answer, "Content-Type"), "text/plain; charset=utf-8");
        EXPECT_EQ(field(answer, "Accept-Ranges"), "bytes");
        EXPECT_EQ(answer.body.size(), 10U);
        EXPECT_EQ(co_await text_of(app, asking("/a.txt")), "200 0123456789");
        EXPECT_EQ(co_await text_of(app, asking("/%61.txt")), "200 0123456789");
        EXPECT_EQ(co_await text_of(app, asking("/docs/")), "200 <p>");
        EXPECT_EQ(co_await text_of(app, asking("/docs/.well-known/x")), "200 known");
        EXPECT_EQ(co_await text_of(app, asking("/none")), "200 ");
        answer = (co_await app(asking("/none"))).value();
        EXPECT_EQ(field(answer, "Content-Type"), "application/octet-stream");
        answer = (co_await app(asking("/large.JS"))).value();
        EXPECT_EQ(field(answer, "Content-Type"), "text/javascript; charset=utf-8");
        EXPECT_EQ(answer.body.size(), 150'003U);
        EXPECT_EQ(co_await answer.body.read_text(), std::string(150'000, 'x') + "end");
    });
}

TEST(HttpFiles, NothingOutsideOfTheFolderIsSent) {
    const site made;
    eddy::test::run_paused([&]() -> task<void> {
        http::router routes;
        routes.get("/{path...}", http::files(made.root()));
        for (const std::string target : {"/../secret.txt",
                                         "/%2e%2e/secret.txt",
                                         "/docs/../../secret.txt",
                                         "/..%2fsecret.txt",
                                         "/%2e%2e%2Fsecret.txt",
                                         "/outside",
                                         "/above/secret.txt",
                                         "/absolute",
                                         "//etc/passwd",
                                         "/docs%2findex.html",
                                         "/docs%2Findex.html",
                                         "/docs%5cindex.html",
                                         "/docs%5Cindex.html",
                                         "/a%5cb.txt",
                                         "a.txt",
                                         "*",
                                         "/.well-known-not/x",
                                         "/docs/.hidden",
                                         "/docs//index.html",
                                         "/.hidden",
                                         "/a.txt%00",
                                         "/a.txt/",
                                         "/fifo",
                                         "/empty/",
                                         "/missing",
                                         "/docs/..",
                                         "/..",
                                         "/a.txt/b",
                                         "/%ff%fe",
                                         "/..\\secret.txt"}) {
            const auto direct = co_await text_of(http::files(made.root()), asking(target));
            EXPECT_EQ(direct, "404 Not Found\n") << target;
            const auto routed = co_await text_of(routes, asking(target));
            EXPECT_TRUE(routed.starts_with("40")) << target << " " << routed;
        }
    });
}

TEST(HttpFiles, ClientThatGoesIsNoFailure) {
    const site made;
    const auto reports_of = [](const std::string& folder, const std::vector<std::string>& targets) {
        std::atomic<int> reports = 0;
        auto runtime = eddy::runtime::builder()
                           .worker_threads(1)
                           .max_blocking_threads(1)
                           .on_unobserved_error([&](const eddy::unobserved_error&) { ++reports; })
                           .build()
                           .value();
        runtime.block_on([&]() -> task<void> {
            std::promise<void> all_have_gone;
            auto busy = eddy::spawn_blocking([go_on = all_have_gone.get_future()] { go_on.wait(); });
            const auto app = http::files(folder);
            for (const auto& target : targets) EXPECT_FALSE(co_await support::once(app(asking(target)))) << target;
            all_have_gone.set_value();
            EXPECT_TRUE(co_await busy);
        }());
        std::move(runtime).shutdown_timeout(std::chrono::minutes(1));  // waits for the threads that open files
        return reports.load();
    };
    EXPECT_EQ(reports_of(made.root(), {"/missing", "/docs", "/a.txt", "/fifo", "/outside", "/large.JS"}), 0);
    EXPECT_EQ(reports_of(made.root() + "/nowhere", {"/a.txt"}), 1) << "a mistake of the program";
}

TEST(HttpFiles, MissingFolderIsNamed) {
    const site made;
    const auto folder = made.root() + "/nowhere";
    eddy::test::run_paused([&]() -> task<void> {
        const auto app = http::files(folder);
        std::string thrown;
        try {
            const auto answer = co_await app(asking("/a.txt"));
            EXPECT_TRUE(answer);
        } catch (const std::system_error& failure) {
            EXPECT_EQ(failure.code(), std::errc::no_such_file_or_directory);
            thrown = failure.what();
        }
        EXPECT_EQ(thrown, "open " + folder + ": No such file or directory");
    });
}

TEST(HttpFiles, RouteDecidesThePathBelowTheFolder) {
    const site made;
    eddy::test::run_paused([&]() -> task<void> {
        http::router app;
        app.get("/static/{path...}", http::files(made.root()));
        EXPECT_EQ(co_await text_of(app, asking("/static/a.txt")), "200 0123456789");
        EXPECT_EQ(co_await text_of(app, asking("/static/docs/")), "200 <p>");
        auto answer = (co_await app(asking("/static/docs?a=b"))).value();
        EXPECT_EQ(answer.status, http::status::moved_permanently);
        EXPECT_EQ(field(answer, "Location"), "/static/docs/?a=b");
        const auto posted = co_await text_of(http::files(made.root()), asking("/a.txt", {}, http::method::post));
        EXPECT_EQ(posted, "405 Method Not Allowed\n");
    });
}

TEST(HttpFiles, UnchangedFilesAreNotSentAgain) {
    const site made;
    eddy::test::run_paused([&]() -> task<void> {
        const auto app = http::files(made.root());
        const auto first = (co_await app(asking("/a.txt"))).value();
        const auto tag = field(first, "ETag");
        const auto date = field(first, "Last-Modified");
        const fields by_tag = {{"If-None-Match", "\"other\", W/" + tag}};
        auto again = (co_await app(asking("/a.txt", by_tag))).value();
        EXPECT_EQ(again.status, http::status::not_modified);
        EXPECT_EQ(field(again, "ETag"), tag);
        EXPECT_EQ(again.body.size(), 0U);
        const fields by_date = {{"If-Modified-Since", date}};
        again = (co_await app(asking("/a.txt", by_date))).value();
        EXPECT_EQ(again.status, http::status::not_modified);
        made.write("public/a.txt", "changed");
        EXPECT_EQ(co_await text_of(app, asking("/a.txt", by_tag)), "200 changed");
        const fields matching = {{"If-Match", tag}};
        EXPECT_EQ(co_await text_of(app, asking("/a.txt", matching)), "412 Precondition Failed\n");
    });
}

TEST(HttpFiles, RangesAreParts) {
    const site made;
    eddy::test::run_paused([&]() -> task<void> {
        const auto app = http::files(made.root());
        const fields middle = {{"Range", "bytes=2-4"}};
        auto answer = (co_await app(asking("/a.txt", middle))).value();
        EXPECT_EQ(answer.status, http::status::partial_content);
        EXPECT_EQ(field(answer, "Content-Range"), "bytes 2-4/10");
        EXPECT_EQ(co_await answer.body.read_text(), "234");
        const fields behind = {{"Range", "bytes=10-"}};
        answer = (co_await app(asking("/a.txt", behind))).value();
        EXPECT_EQ(answer.status, http::status::range_not_satisfiable);
        EXPECT_EQ(field(answer, "Content-Range"), "bytes */10");
        const fields large = {{"Range", "bytes=70000-"}};
        answer = (co_await app(asking("/large.JS", large))).value();
        EXPECT_EQ(answer.body.size(), 80'003U);
        EXPECT_EQ(co_await answer.body.read_text(), std::string(80'000, 'x') + "end");
        answer = (co_await app(asking("/a.txt", middle, http::method::head))).value();
        EXPECT_EQ(answer.status, http::status::ok);
        EXPECT_EQ(answer.body.size(), 10U);
    });
}

TEST(HttpFiles, ShortenedFileEndsTheBodyEarly) {
    const site made;
    eddy::test::run_paused([&]() -> task<void> {
        auto answer = (co_await http::files(made.root())(asking("/large.JS"))).value();
        std::filesystem::resize_file(made.root() + "/large.JS", 1000);
        const auto text = co_await answer.body.read_text();
        EXPECT_EQ(text.error(), http::errc::body_too_short);
    });
}

TEST(HttpConditions, RangesAndConditionsSelectStatusAndPart) {
    const eddy::detail::representation file("\"tag\"", 1000, 100, true);
    const std::string earlier = "Thu, 01 Jan 1970 00:16:39 GMT";
    const std::string same = "Thu, 01 Jan 1970 00:16:40 GMT";
    const std::vector<std::pair<fields, std::string>> cases = {
        {{}, "200 0 100"},
        {{{"Range", "bytes=0-0"}}, "206 0 1"},
        {{{"Range", "BYTES= 5 - "}}, "206 5 95"},
        {{{"Range", "bytes=-7"}}, "206 93 7"},
        {{{"Range", "bytes=-700"}}, "206 0 100"},
        {{{"Range", "bytes=-0"}}, "416 0 0"},
        {{{"Range", "bytes=99-99999999999999999999999"}}, "206 99 1"},
        {{{"Range", "bytes=99999999999999999999999-"}}, "416 0 0"},
        {{{"Range", "bytes=5-4"}}, "200 0 100"},
        {{{"Range", "bytes=-"}}, "200 0 100"},
        {{{"Range", "bytes=1-2,4-5"}}, "200 0 100"},
        {{{"Range", "bytes=1-2"}, {"Range", "bytes=1-2"}}, "200 0 100"},
        {{{"Range", "lines=1-2"}}, "200 0 100"},
        {{{"Range", "bytes"}}, "200 0 100"},
        {{{"Range", "bytes=7"}}, "200 0 100"},
        {{{"Range", "bytes=x-2"}}, "200 0 100"},
        {{{"Range", "bytes=1-2-"}}, "200 0 100"},
        {{{"Range", "bytes=1-2"}, {"If-Range", "\"tag\""}}, "206 1 2"},
        {{{"Range", "bytes=1-2"}, {"If-Range", "W/\"tag\""}}, "200 0 100"},
        {{{"Range", "bytes=1-2"}, {"If-Range", same}}, "206 1 2"},
        {{{"Range", "bytes=1-2"}, {"If-Range", earlier}}, "200 0 100"},
        {{{"Range", "bytes=1-2"}, {"If-Range", "Thu Jan  1 00:16:40 1970"}}, "206 1 2"},
        {{{"Range", "bytes=1-2"}, {"If-Range", "Thu, 01 Jan 1970 00:16:41 GMT"}}, "200 0 100"},
        {{{"Range", "bytes=1-2"}, {"If-Range", "yesterday"}}, "200 0 100"},
        {{{"Range", "bytes=1-2"}, {"If-Unmodified-Since", same}}, "206 1 2"},
        {{{"If-None-Match", "*"}}, "304 0 0"},
        {{{"If-None-Match", "\"tag\""}, {"Range", "bytes=1-2"}}, "304 0 0"},
        {{{"If-None-Match", "\"a\""}, {"If-Modified-Since", same}}, "200 0 100"},
        {{{"If-Modified-Since", earlier}}, "200 0 100"},
        {{{"If-Modified-Since", "yesterday"}}, "200 0 100"},
        {{{"If-Modified-Since", "Thu Jan  1 00:16:40 1970"}}, "304 0 0"},
        {{{"If-Modified-Since", "Thu Jan  1 00:16:39 1970"}}, "200 0 100"},
        {{{"If-Match", "W/\"tag\""}}, "412 0 0"},
        {{{"If-Match", "\"a\", \"tag\""}}, "200 0 100"},
        {{{"If-Unmodified-Since", earlier}}, "412 0 0"},
        {{{"If-Unmodified-Since", "Thu Jan  1 00:16:39 1970"}}, "412 0 0"},
        {{{"If-Unmodified-Since", same}}, "200 0 100"},
    };
    for (const auto& [sent, expected] : cases) {
        const auto part = eddy::detail::select_part(asking("/", sent), file);
        const auto text = std::to_string(http::to_int(part.status)) + " " + std::to_string(part.begin) + " " +
                          std::to_string(part.count);
        EXPECT_EQ(text, expected) << (sent.empty() ? "" : sent[0].second);
    }
}

TEST(HttpConditions, DatesThatAreNotStrongSelectNoPart) {
    const std::string same = "Thu, 01 Jan 1970 00:16:40 GMT";
    const std::vector<std::pair<fields, std::string>> cases = {
        {{{"Range", "bytes=1-2"}}, "206"},
        {{{"Range", "bytes=1-2"}, {"If-Range", same}}, "200"},
        {{{"Range", "bytes=1-2"}, {"If-Range", "Thu Jan  1 00:16:40 1970"}}, "200"},
        {{{"Range", "bytes=1-2"}, {"If-Range", "\"tag\""}}, "206"},
        {{{"Range", "bytes=1-2"}, {"If-Range", "\"tag\""}, {"If-Unmodified-Since", same}}, "206"},
        {{{"Range", "bytes=1-2"}, {"If-Unmodified-Since", same}}, "200"},
        {{{"Range", "bytes=1-2"}, {"If-Match", "\"tag\""}, {"If-Unmodified-Since", same}}, "206"},
        {{{"If-Modified-Since", same}}, "304"},
        {{{"If-Unmodified-Since", same}}, "200"},
    };
    const eddy::detail::representation fresh("\"tag\"", 1000, 100, false);
    for (const auto& [sent, expected] : cases)
        EXPECT_EQ(std::to_string(to_int(eddy::detail::select_part(asking("/", sent), fresh).status)), expected)
            << sent.back().first << ": " << sent.back().second;
}

TEST(HttpConditions, DateIsStrongOneMinuteAfterTheLastChange) {
    using eddy::detail::is_strong_date;
    EXPECT_TRUE(is_strong_date(1000, 1000, 1060));
    EXPECT_FALSE(is_strong_date(1000, 1000, 1059));
    EXPECT_FALSE(is_strong_date(1000, 1001, 1060));  // the file was replaced, or its date was set
    EXPECT_FALSE(is_strong_date(1001, 1000, 1060));
    EXPECT_FALSE(is_strong_date(2000, 1000, 1060));
}

TEST(HttpFiles, FileThatIsReplacedWithinASecondSendsNoPartOfIt) {
    const site made;
    const auto path = made.root() + "/a.txt";
    const auto old = std::chrono::floor<std::chrono::seconds>(std::filesystem::last_write_time(path)) - 1h;
    std::filesystem::last_write_time(path, old);
    eddy::test::run_paused([&]() -> task<void> {
        const auto app = http::files(made.root());
        auto answer = (co_await app(asking("/a.txt"))).value();
        const auto date = field(answer, "Last-Modified");
        const auto tag = field(answer, "ETag");
        made.write("public/a.txt", "abcdefghij");
        std::filesystem::last_write_time(path, old + 1ms);
        const fields by_date = {{"Range", "bytes=2-4"}, {"If-Range", date}};
        EXPECT_EQ(co_await text_of(app, asking("/a.txt", by_date)), "200 abcdefghij");
        const fields by_tag = {{"Range", "bytes=2-4"}, {"If-Range", tag}};
        EXPECT_EQ(co_await text_of(app, asking("/a.txt", by_tag)), "200 abcdefghij");
    });
}

TEST(HttpDates, AreFormattedAndParsed) {
    using eddy::detail::parse_date;
    for (const std::int64_t seconds : {0LL, 784111777LL, 951782400LL, 4107542399LL}) {
        const auto text = eddy::detail::format_date(seconds);
        EXPECT_EQ(parse_date({text.data(), text.size()}), seconds);
    }
    for (const std::string_view text :
         {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"})
        EXPECT_EQ(parse_date(text), 784111777) << text;
    EXPECT_EQ(parse_date("Tue Dec 16 23:59:60 2036"), 2113084800);
    const std::vector<std::string> valid = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                            "Sun Nov  6 08:49:37 1994"};
    for (const auto& text : valid) {  // each other character makes it invalid
        for (std::size_t i = 0; i < text.size(); ++i) {
            for (const std::string& other : {std::string("x"), std::string(), std::string(2, text[i])}) {
                auto changed = text;
                changed.replace(i, 1, other);
                EXPECT_FALSE(parse_date(changed).has_value()) << changed;
            }
        }
    }
    for (const std::string text : {"",
                                   "Sun",
                                   "Sun, ",
                                   "Sunday",
                                   "Sun, 06 Nov 1994 24:00:00 GMT",
                                   "Sun, 31 Feb 1994 08:49:37 GMT",
                                   "Sun, 06 ovD 1994 08:49:37 GMT",
                                   "Sun, 06 Nov 1994 08:49:37 UTC",
                                   "Sun, 06 Xyz 1994 08:49:37 GMT",
                                   "Sun, 06 Nov 1994 08:60:00 GMT",
                                   "Sun, 06 Nov 1994 08:49:61 GMT",
                                   "Sun, 06-Nov-94 08:49:37 GMT",
                                   "Sunday, 06 Nov 1994 08:49:37 GMT",
                                   "Sunday Nov  6 08:49:37 1994",
                                   "Sun Nov 06 08:49:37 94",
                                   "Sun Nov  0 08:49:37 1994",
                                   "Sun Nov 6  08:49:37 1994",
                                   "Sun,Nov  6 08:49:37 1994",
                                   "Sunday, 06-Nov-1994 08:49:37 GMT",
                                   "Sunday, 31-Feb-94 08:49:37 GMT",
                                   "Sunday, 06-Nov-94 24:49:37 GMT"})
        EXPECT_FALSE(parse_date(text).has_value()) << text;
}

TEST(HttpDates, YearsOfTwoDigitsAreAtMost50YearsAhead) {
    const auto year_at = [](std::string_view text, std::string_view now) {
        const auto date = eddy::detail::parse_date(text, eddy::detail::parse_date(now).value());
        if (!date) return 0;
        const auto day = std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds(std::chrono::seconds(*date)));
        return static_cast<int>(std::chrono::year_month_day(day).year());
    };
    const std::string_view in_2026 = "Tue, 01 Dec 2026 10:00:00 GMT";
    EXPECT_EQ(year_at("Tuesday, 01-Dec-26 10:00:03 GMT", in_2026), 2026);
    EXPECT_EQ(year_at("Tuesday, 01-Dec-76 10:00:00 GMT", in_2026), 2076);  // 50 years
    EXPECT_EQ(year_at("Tuesday, 01-Dec-76 10:00:01 GMT", in_2026), 1976);
    EXPECT_EQ(year_at("Tuesday, 30-Nov-76 23:00:00 GMT", in_2026), 2076);
    EXPECT_EQ(year_at("Tuesday, 01-Jan-77 00:00:00 GMT", in_2026), 1977);
    EXPECT_EQ(year_at("Tuesday, 01-Jan-00 00:00:00 GMT", in_2026), 2000);
    EXPECT_EQ(year_at("Tuesday, 29-Feb-00 00:00:00 GMT", in_2026), 2000);
    EXPECT_EQ(year_at("Tuesday, 29-Feb-76 00:00:00 GMT", in_2026), 2076);
    EXPECT_EQ(year_at("Tuesday, 29-Feb-27 00:00:00 GMT", in_2026), 0);
    EXPECT_EQ(year_at("Tuesday, 01-Jan-01 00:00:00 GMT", "Tue, 01 Dec 2099 10:00:00 GMT"), 2101);
    EXPECT_EQ(year_at("Tuesday, 01-Jan-70 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"), 1970);
}

}  // namespace
