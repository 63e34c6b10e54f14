// SPDX-License-Identifier: MIT
#pragma once

// For programs whose tasks wait for one thing of each kind. The name of a task is what `eddy tree` must show of it,
// with a `|` between lines. The program prints a line when all tasks were spawned.

#include <source_location>
#include <utility>

#include <eddy/task.hpp>

/// Spawns work with what is to be shown of it. Each call has another place, so no two tasks are one entry.
template <class W>
void expect(const char* shown, W&& work, std::source_location where = std::source_location::current()) {
    eddy::task_builder().name(shown).spawn(std::forward<W>(work), where).detach();
}

/// Keeps an object until the program ends.
template <class T>
T& keep(T&& object) {
    return *new T(std::forward<T>(object));
}

template <class T, class... Args>
T& make(Args&&... args) {
    return *new T(std::forward<Args>(args)...);
}
