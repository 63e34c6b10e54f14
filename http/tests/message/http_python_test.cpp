// SPDX-License-Identifier: MIT
// The parsers of eddy::http against those of Python, with random texts.
// runs: once
#include <eddy/http/json.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <exception>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "message/syntax.hpp"
#include "support/bytes_of_hex.hpp"
#include "support/process.hpp"
#include "support/stress.hpp"

namespace {

/// Runs a script with a seed for its random numbers. It prints lines of fields, which tabs separate: calls `check` with
/// the fields of each. Returns the number of lines.
template <class Check>
std::size_t for_each_line(std::string script, Check check) {
    const auto seed = std::to_string(support::seed());
    const auto ended =
        support::run({EDDY_PYTHON, "-c", "import random, sys\nrandom.seed(int(sys.argv[1]))" + script, seed});
    EXPECT_EQ(ended.code, 0) << ended.err;
    std::istringstream lines(ended.out);
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        std::vector<std::string> fields;
        std::string_view rest = line;
        while (!rest.empty()) fields.emplace_back(eddy::detail::take_part(rest, '\t'));
        fields.resize(2);
        check(fields[0], fields[1]);
        if (testing::Test::HasFailure()) break;
    }
    return count;
}

TEST(HttpPython, DatesAreThoseOfEmailUtils) {
    // The years of two digits mean the same to Python.
    const auto count = for_each_line(R"(
import email.utils, time
for i in range(3000):
    t = time.gmtime(random.randrange(220924800, 3124224000))
    for form in '%a, %d %b %Y %H:%M:%S GMT', '%A, %d-%b-%y %H:%M:%S GMT', '%a %b {:2} %H:%M:%S %Y'.format(t.tm_mday):
        text = time.strftime(form, t)
        print(text, email.utils.mktime_tz(email.utils.parsedate_tz(text)[:9] + (0,)), sep='\t')
)",
                                     [](const std::string& text, const std::string& expected) {
                                         const auto date = eddy::detail::parse_date(text, 1796119200);  // in 2026
                                         EXPECT_EQ(date ? std::to_string(*date) : "none", expected) << text;
                                         if (!date || text[3] != ',') return;
                                         const auto again = eddy::detail::format_date(*date);
                                         EXPECT_EQ(std::string(again.data(), again.size()), text);
                                     });
    EXPECT_EQ(count, 9000U);
}

/// Returns the value of a JSON text, or nullopt if it is not valid.
std::optional<nlohmann::json> parsed_json(const std::string& text) {
    try {
        return eddy::detail::parse_json(text);
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

TEST(HttpPython, JsonIsThatOfPython) {
    // Each text has bytes replaced, inserted or removed, at each place. Python accepts some texts that are not JSON, or
    // have no value in UTF-8 or in a double.
    const auto count = for_each_line(R"(
import json, math
def refuse(text): raise ValueError(text)
def parse_float(text):
    number = float(text)
    return refuse(text) if math.isinf(number) else number
def parse_int(text): return int(text) if -2**63 <= int(text) < 2**64 else parse_float(text)
def show(data):
    try:
        value = json.loads(data.decode('utf-8'), parse_constant=refuse, parse_float=parse_float, parse_int=parse_int)
        json.dumps(value, ensure_ascii=False).encode('utf-8')
    except ValueError: expected = 'none'
    else: expected = json.dumps(value)
    print(data.hex(), expected, sep='\t')
texts = [b'{"a":1}', b'[1,-2,3.5e2,true,false,null]', b' {"x" : [ "\\u00e4\\n" , {} ] } ', '["\u00e4\u20ac\U0001f600"]'.encode(),
         b'0', b'"\\ud83d\\ude00"', b'[18446744073709551615,-9223372036854775808]', b'[1E400,' + b'9' * 400 + b']']
bad = [b'\0', b'\xff', b'\xc3', b'\xed\xa0\x80', b'\xc0\x80', b'\x01', b'\x7f', b'\t', b'9' * 30, b'9' * 400, b'0', b'e',
       b'-', b'"', b'\\', b'[', b',']
for text in texts:
    show(text)
    for at in range(min(60, len(text)) + 1):
        show(text[:at] + text[at + 1:])
        show(text[:at] + b'\0' + text)
        for byte in bad:
            show(text[:at] + byte + text[at:])
            show(text[:at] + byte + text[at + 1:])
for i in range(3000):
    text = bytearray(random.choice(texts))
    for k in range(random.randrange(1, 4)): text[random.randrange(len(text))] = random.randrange(256)
    show(bytes(text))
)",
                                     [](const std::string& hex, const std::string& expected) {
                                         const auto text = support::bytes_of_hex(hex);
                                         EXPECT_TRUE(parsed_json(text) == parsed_json(expected))
                                             << testing::PrintToString(text) << ", Python: " << expected;
                                     });
    EXPECT_GT(count, 8000U);
}

}  // namespace
