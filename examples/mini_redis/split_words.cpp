// SPDX-License-Identifier: MIT
#include "split_words.hpp"

#include <algorithm>
#include <charconv>

namespace mini_redis {
namespace {

constexpr std::string_view blanks = " \n\r\t\v\f";

bool is_blank(char c) noexcept { return blanks.find(c) != blanks.npos; }
/// As in Redis, \v and \f are blanks before a word and after a quote, but do not end a word.
bool ends_word(char c) noexcept { return is_blank(c) && c != '\v' && c != '\f'; }

/// Removes words from the front of a line.
class word_reader {
public:
    explicit word_reader(std::string_view line) noexcept : rest_(line) {}

    /// Returns whether there is another word.
    bool skip_blanks() {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(blanks), rest_.size()));
        return !rest_.empty();
    }

    /// Reads a word. Returns false if its quotes are unbalanced.
    bool read(std::string& word) {
        while (!rest_.empty() && !ends_word(rest_.front())) {
            const char first = take();
            if (first != '"' && first != '\'') {
                word += first;
            } else {
                if (!(first == '"' ? read_double(word) : read_single(word))) return false;
                return rest_.empty() || is_blank(rest_.front());
            }
        }
        return true;
    }

private:
    char take() noexcept {
        const char first = rest_.front();
        rest_.remove_prefix(1);
        return first;
    }

    // Each of these functions reads up to and including the closing quote. It returns false if there is no such quote.
    bool read_single(std::string& word) {
        while (!rest_.empty()) {
            const char c = take();
            if (c == '\'') return true;
            const bool is_quote = c == '\\' && rest_.starts_with('\'');
            word += is_quote ? take() : c;
        }
        return false;
    }
    bool read_double(std::string& word) {
        while (!rest_.empty()) {
            const char c = take();
            if (c == '"') return true;
            if (c == '\\' && !rest_.empty()) {
                word += read_escape();
            } else {
                word += c;
            }
        }
        return false;
    }

    char read_escape() {
        if (rest_.size() >= 3 && rest_.front() == 'x') {
            unsigned char byte = 0;
            const char* const digits = rest_.data() + 1;
            if (std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
                rest_.remove_prefix(3);
                return static_cast<char>(byte);
            }
        }
        switch (const char c = take()) {
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        case 'b': return '\b';
        case 'a': return '\a';
        default: return c;
        }
    }

    std::string_view rest_;
};

}  // namespace

std::optional<std::vector<std::string>> split_words(std::string_view line) {
    std::vector<std::string> words;
    word_reader reader(line);
    while (reader.skip_blanks()) {
        if (!reader.read(words.emplace_back())) return std::nullopt;
    }
    return words;
}

}  // namespace mini_redis
