// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/http/service.hpp>

namespace eddy::http {

/// Makes a service that sends the files below a folder:
///     app.get("/static/{path...}", http::files("public"));
/// The path below the folder is the last parameter of the route. Without a route or parameters, it is the path of the
/// request.
///
/// - Content-Type depends on the extension of the name. The default is application/octet-stream.
/// - For a folder, the service sends the file index.html in it. If the path of a folder does not end with a slash, the
///   client is redirected to the path that does.
/// - ETag and Last-Modified depend on the size and time of the file. If-None-Match and If-Modified-Since are answered
///   with 304, If-Match and If-Unmodified-Since with 412.
/// - Range is answered with 206 and that part of the file, or with 416 if the file has no such part. A request for
///   several ranges gets the whole file. If-Range is supported, with a date only if the file has not changed for a
///   minute: several versions of one second have the same date.
/// - Methods other than GET and HEAD get 405.
/// - The answer is 404 if there is no such file, or no permission to read it. The same applies to a path with an
///   encoded slash, a backslash, an empty part, "..", or a name that begins with a period, except ".well-known".
/// - Symbolic links are followed if they are relative and stay below the folder (Linux 5.6 or later), otherwise not.
///
/// A part of a file of more than 64 KiB is sent as by fs::send_file(), without copies of bytes in the kernel's cache,
/// if the connection is HTTP/1.1 without TLS, and no layer changes the body. Otherwise, the service reads what the
/// cache has, or lets a thread for blocking work read it, in pieces of 64 KiB. Do not shorten a file while it is sent:
/// write a new file and rename it. Otherwise the connection is closed before the response is complete.
/// Errors: the service throws std::system_error if the folder `root` cannot be opened, so that serve reports
/// "open public: No such file or directory". It returns an error if a file cannot be read.
/// Cost: one call of spawn_blocking for each request, and one for each piece that is not in the cache.
[[nodiscard]] EDDY_API service files(std::string_view root);
// For std::filesystem::path. This header does not include <filesystem>, which is slow to compile.
template <class Path>
    requires requires(const Path& root) {
        { root.string() } -> std::same_as<std::string>;
    }
[[nodiscard]] service files(const Path& root) {
    return http::files(std::string_view(root.string()));
}

}  // namespace eddy::http
