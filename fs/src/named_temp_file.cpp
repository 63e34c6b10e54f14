// SPDX-License-Identifier: MIT
#include <eddy/fs/named_temp_file.hpp>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/detail/atomic.hpp>

#include "job.hpp"
#include "opening.hpp"
#include "sys/dir_entry_calls.hpp"
#include "sys/open_calls.hpp"
#include "sys/path_text.hpp"

namespace eddy::fs {

/// The name of a temporary file, which the object and its jobs share. The last one removes it.
/// Thread safety: any thread.
class detail::temp_name : eddy::detail::immovable {
public:
    explicit temp_name(std::filesystem::path path) noexcept : path_(std::move(path)) {}
    ~temp_name() {
        // relaxed: the reference count orders the accesses of the other owners before the destructor
        if (!is_gone_.load(std::memory_order_relaxed)) static_cast<void>(unlink());
    }

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    /// The name is not to be removed any more.
    // relaxed: see the destructor
    void let_go() noexcept { is_gone_.store(true, std::memory_order_relaxed); }
    [[nodiscard]] eddy::result<void> unlink() const noexcept {
        return eddy::sys::remove_entry(eddy::sys::current_directory, eddy::sys::text_of(path_));
    }

private:
    const std::filesystem::path path_;
    eddy::detail::atomic<bool> is_gone_{false};
};

namespace {

using name_share = std::shared_ptr<detail::temp_name>;

/// Makes an operation that calls `f` with both paths. Without an error, the name is let go.
template <class F>
operation<void> give_name(const name_share& name, std::filesystem::path to, F f) {
    auto work = [name, f](const detail::call& of) -> result<void> {
        if (const auto valid = detail::check_path(of.other); !valid) return of.fail_at(side::second, valid.error());
        std::error_code error;
        f(of.path, of.other, error);
        if (error) {
            const auto failed = detail::failed_side(eddy::sys::current_directory, eddy::sys::text_of(of.path), error);
            return of.fail_at(failed, error);
        }
        name->let_go();
        return {};
    };
    return detail::blocking(detail::call("persist", name->path(), std::move(to)), std::move(work));
}

}  // namespace

named_temp_file& named_temp_file::operator=(named_temp_file&& other) noexcept {
    opened_ = std::move(other.opened_);  // before the name: Windows does not remove the name of an open file
    name_ = std::move(other.name_);
    return *this;
}

operation<named_temp_file> named_temp_file::create(std::filesystem::path dir, std::string prefix, std::string suffix) {
    auto work = [prefix = std::move(prefix),
                 suffix = std::move(suffix)](const detail::call& of) -> eddy::result<named_temp_file> {
        std::error_code error;  // absolute: the working directory may change before the file is removed
        auto path = std::filesystem::absolute(detail::or_temporary(of.path), error);
        if (error) return std::unexpected(error);
        path /= eddy::sys::path_from(prefix + eddy::sys::random_name() + suffix);
        auto options = open_options().read(true).write(true).create_new(true).mode(std::filesystem::perms(0600));
        auto opened = detail::open(path, options);
        if (!opened) return std::unexpected(opened.error());
        return named_temp_file(*std::move(opened), std::make_shared<detail::temp_name>(std::move(path)));
    };
    return detail::blocking(detail::call("create a temporary file in", std::move(dir)), std::move(work));
}

const std::filesystem::path& named_temp_file::path() const noexcept { return name_->path(); }

operation<void> named_temp_file::persist(std::filesystem::path to) const {
    return give_name(name_, std::move(to), [](const auto& from, const auto& target, std::error_code& error) {
        std::filesystem::rename(from, target, error);
    });
}

operation<void> named_temp_file::persist_new(std::filesystem::path to) const {
    return give_name(name_, std::move(to), [](const auto& from, const auto& target, std::error_code& error) {
        std::filesystem::create_hard_link(from, target, error);
        if (error) return;
        std::error_code ignored;  // both names refer to the file then
        std::filesystem::remove(from, ignored);
    });
}

file named_temp_file::keep() && {
    name_->let_go();
    return std::move(opened_);
}

operation<void> named_temp_file::remove() const {
    auto work = [name = name_](const detail::call&) -> eddy::result<void> {
        auto removed = name->unlink();
        if (removed) name->let_go();  // another file may get the name
        return removed;
    };
    return detail::blocking(detail::call("remove", name_->path()), std::move(work));
}

}  // namespace eddy::fs
