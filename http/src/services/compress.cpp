// SPDX-License-Identifier: MIT
#include <eddy/http/compress.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "message/coding.hpp"
#include "message/fields.hpp"

namespace eddy::detail {
namespace {

// A longer body in memory is compressed while it is sent, so that other tasks of the thread can run in between.
constexpr std::size_t most_at_once = 32 * 1024;

const body_coding* coding_of(http::content_coding named) noexcept {
    if (named == http::content_coding::zstd) return &zstd_coding;
    return named == http::content_coding::brotli ? &brotli_coding : &gzip_coding;
}

/// Returns whether one of the codings of the options can be used.
bool has_coding(const http::compress_options& options) noexcept {
    return std::ranges::any_of(options.codings(), [](auto each) { return coding_of(each)->is_available(); });
}

/// Returns the quality value of an element of Accept-Encoding in thousandths: 1000 if it has none, 0 if it is invalid.
int quality_of(std::string_view parameters) noexcept {
    while (!parameters.empty()) {
        const auto parameter = trim(take_part(parameters, ';'));
        if (!parameter.starts_with("q=") && !parameter.starts_with("Q=")) continue;
        auto digits = parameter.substr(2);
        if (digits.empty() || (digits[0] != '0' && digits[0] != '1')) return 0;
        int value = (digits[0] - '0') * 1000;
        digits.remove_prefix(1);
        if (digits.starts_with('.')) digits.remove_prefix(1);
        int unit = 100;
        for (const char c : digits) {
            if (!is_digit(c)) return 0;
            value += (c - '0') * unit;
            unit /= 10;
        }
        return std::min(value, 1000);
    }
    return 1000;
}

/// Returns the coding that the fields Accept-Encoding prefer, or null if they prefer a body without compression (RFC
/// 9110, section 12.5.3). The order of the options decides between equal quality values.
const body_coding* choose_coding(const http::headers& fields, const http::compress_options& options) noexcept {
    std::array<std::optional<int>, body_codings.size()> named;
    std::optional<int> identity;
    std::optional<int> others;
    for (const auto& [name, value] : fields) {
        if (!http::equal_names(name, "Accept-Encoding")) continue;
        for (auto rest = value; !rest.empty();) {
            auto element = trim(take_part(rest, ','));
            const auto coding = trim(take_part(element, ';'));
            const int quality = quality_of(element);
            for (std::size_t i = 0; i != named.size(); ++i)
                if (body_codings[i]->is_named(coding)) named[i] = quality;
            if (http::equal_names(coding, "identity")) identity = quality;
            if (coding == "*") others = quality;
        }
    }
    const body_coding* best = nullptr;
    int most = std::max(identity.value_or(0), 1) - 1;  // a coding needs at least this quality, and more than 0
    for (const auto each : options.codings()) {
        const auto* const coding = coding_of(each);
        const auto place = static_cast<std::size_t>(std::ranges::find(body_codings, coding) - body_codings.begin());
        const int quality = named[place].value_or(others.value_or(0));
        if (!coding->is_available() || quality <= most) continue;
        best = coding;
        most = quality;
    }
    return best;
}

bool is_compressible(std::string_view type) {
    static constexpr std::array<std::string_view, 8> types = {
        "application/json",      "application/javascript", "application/xml", "application/wasm",
        "application/xhtml+xml", "application/x-ndjson",   "image/svg+xml",   "application/x-javascript"};
    const auto name = lower_case(trim(take_part(type, ';')));
    return name.starts_with("text/") || name.ends_with("+json") || name.ends_with("+xml") ||
           std::ranges::find(types, name) != types.end();
}

/// The relation of a response to the whole, uncompressed representation that the service would send as 200.
enum class part_of : unsigned char {
    whole,    // it is this representation, or its head
    part,     // 206
    nothing,  // 304
    other     // it must not be compressed
};

part_of part_in(const http::response& answer) noexcept {
    const auto& headers = answer.headers;
    if (answer.upgrade || headers.contains("Content-Encoding") || headers.has_token("Cache-Control", "no-transform"))
        return part_of::other;
    if (answer.status == http::status::not_modified) return part_of::nothing;
    if (!headers.contains("Content-Range")) return part_of::whole;
    return answer.status == http::status::partial_content ? part_of::part : part_of::other;
}

/// Returns whether the representation would be compressed as a 200, for a client that accepts it. A 304 without
/// Content-Type and Content-Length does not show that.
std::optional<bool> is_compressed(const http::response& answer, part_of part, const http::compress_options& options) {
    const auto type = answer.headers.get("Content-Type");
    if (!type) return part == part_of::nothing ? std::nullopt : std::optional(false);
    if (!is_compressible(*type)) return false;
    if (part == part_of::part) return true;  // its size is not the size of the representation
    auto size = answer.body.size();
    if (part == part_of::nothing) {
        size = parse_unsigned(answer.headers.get("Content-Length").value_or(""));
        if (!size) return std::nullopt;
    }
    return !size || *size >= std::max<std::size_t>(options.min_size(), 1);
}

/// Returns whether the response is the whole representation, and too small: most responses of many services are. It is
/// decided without a look at the fields.
bool is_too_small(const http::response& answer, const http::compress_options& options) noexcept {
    const auto size = answer.body.size();
    return size && *size < options.min_size() && answer.status != http::status::not_modified &&
           answer.status != http::status::partial_content;
}

/// Changes the fields that describe the bytes of the body, because the compressed body has others: removes the size and
/// the digests, and makes a strong ETag a weak one.
void describe_compressed(http::headers& of) {
    for (const char* const name : {"Content-Length", "Content-MD5", "Digest", "Content-Digest", "Repr-Digest"})
        of.remove(name);
    const auto tag = of.get("ETag");
    if (tag && !tag->starts_with("W/")) of.set("ETag", "W/" + std::string(*tag));
}

}  // namespace

compression_request::compression_request(const http::request& of, const http::compress_options& options)
    : coding(choose_coding(of.headers, options)), is_head(of.method == http::method::head) {
    for (const auto& [name, value] : of.headers)
        if (http::equal_names(name, "If-None-Match")) known_etags.append(known_etags.empty() ? "" : ",").append(value);
}

namespace {

/// Returns whether the client has a compressed form of the representation: it has named the weak form of its ETag, and
/// not the ETag itself.
bool knows_weak_form(const compression_request& asked, const http::headers& of) {
    const auto tag = of.get("ETag");
    if (!tag) return false;
    const auto weak = "W/" + std::string(*tag);
    bool has_weak = false;
    for (std::string_view rest = asked.known_etags; !rest.empty();) {
        const auto each = trim(take_part(rest, ','));
        if (each == *tag) return false;
        has_weak = has_weak || each == weak;
    }
    return has_weak;
}

}  // namespace

void compress_response(http::response& answer, const compression_request& asked,
                       const http::compress_options& options) {
    if (is_too_small(answer, options) || !has_coding(options)) return;
    const auto part = part_in(answer);
    if (part == part_of::other) return;
    const auto decided = is_compressed(answer, part, options);
    if (decided == false) return;
    add_vary(answer.headers, "Accept-Encoding");
    if (asked.coding == nullptr || part == part_of::part) return;
    if (part == part_of::nothing) {
        // RFC 9110, section 15.4.5: a 304 has the fields Vary and ETag of the 200.
        if (!decided && !knows_weak_form(asked, answer.headers)) return;
        describe_compressed(answer.headers);
        return;
    }
    answer.headers.set("Content-Encoding", asked.coding->name);
    answer.headers.remove("Accept-Ranges");
    describe_compressed(answer.headers);
    const auto* const content = answer.body.in_memory();
    if (!asked.is_head && content != nullptr && content->size() <= most_at_once) {
        answer.body = http::body(encoded_text(*asked.coding, content->text(), options.level()));
    } else {
        answer.body = body_access::from_source(encoding_source(*asked.coding, std::move(answer.body), options.level()));
    }
}

}  // namespace eddy::detail
