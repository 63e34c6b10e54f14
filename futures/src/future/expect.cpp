// SPDX-License-Identifier: MIT
#include <eddy/error/expect.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

namespace eddy {
namespace {

std::terminate_handler next_handler = nullptr;

/// Ends the program as `return 1` in main would, if an unmet_expectation was not caught.
void end_by_expectation() noexcept {
    try {
        if (const auto thrown = std::current_exception()) std::rethrow_exception(thrown);
    } catch (const unmet_expectation& unmet) {
        std::string text = unmet.what();
        for (const std::source_location& place : unmet.error().places())
            text += std::string("\n  at ") + place.file_name() + ':' + std::to_string(place.line());
        std::fprintf(stderr, "Error: %s\n", text.c_str());
        // Other threads may still run, so no destructor of a static object is called. Output is written.
        std::fflush(nullptr);
        std::_Exit(1);
    } catch (...) {  // NOLINT(bugprone-empty-catch): for the next handler
    }
    if (next_handler != nullptr) next_handler();
    std::abort();
}

std::string text_with_place(const any_error& error, const std::source_location& where) {
    return error.message() + " (at " + where.file_name() + ':' + std::to_string(where.line()) + ')';
}

}  // namespace

unmet_expectation::unmet_expectation(any_error error, std::source_location where)
    : std::runtime_error(text_with_place(error, where)), error_(std::move(error)), where_(where) {}

void detail::throw_unmet(any_error error, std::string_view expectation, std::source_location where) {
    // A static variable, so that the first of several threads installs the handler.
    [[maybe_unused]] static const bool is_installed = [] {
        next_handler = std::set_terminate(&end_by_expectation);
        return true;
    }();
    if (!expectation.empty()) error = std::move(error).context(std::string(expectation));
    throw unmet_expectation(std::move(error), where);
}

}  // namespace eddy
