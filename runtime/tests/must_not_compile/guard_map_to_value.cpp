// A mapped guard refers to a part of the locked value. With a function that returns a copy it would guard nothing.
//
// expect-error: static assertion failed
// expect-error: eddy: map takes a pointer to a member, or a function that returns a reference into the value
// covers: P084
#include <string>
#include <utility>

#include <eddy/sync/mutex.hpp>

int main() {
    eddy::sync::mutex<std::string> text("text");
    auto guard = text.blocking_lock();
#ifdef EDDY_CONTROL
    *std::move(guard).map([](std::string& all) -> char& { return all[0]; }) = 'T';
#else
    *std::move(guard).map([](std::string& all) { return all[0]; }) = 'T';
#endif
}
