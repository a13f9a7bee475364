# The C++ addon: `npm run build:addon`. The published package has this file beside the sources: at a
# package's root, pnpm 9 and yarn 4.5 build by it at installation, whatever `gypfile` says; yarn 4.18 warns.
{
  "variables": {"warren_portable%": 0},
  "target_defaults": {
    "dependencies": ["<!(node -p \"require('node-addon-api').targets\"):node_addon_api"],
    "defines": [
      "NAPI_VERSION=8",
      # Where a worker is being ended nothing can be thrown any more.
      "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
      "WARREN_VERSION=<!(node -p \"require('./package.json').version\")",
    ],
    "sources": [
      "native/addon/addon.cc",
      "native/addon/direction.cc",
      "native/addon/relay.cc",
      "native/addon/relay_thread.cc",
      "native/addon/tcp_link.cc",
    ],
    # It waits for system calls: what is smaller is no slower.
    "cflags": ["-Wall", "-Wextra", "-fvisibility=hidden", "-Os"],
    "cflags!": ["-O3"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++20"],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      "OTHER_CFLAGS": ["-Wall", "-Wextra"],
    },
    "conditions": [
      ["OS=='linux'", {"ldflags": ["-s"]}],
      # Where it is tested: a newer compiler's new warning must not be in a user's way.
      ["warren_portable==1", {"cflags": ["-Werror"]}],
    ],
  },
  "targets": [
    {
      "target_name": "warren_addon",
      "conditions": [
        [
          "OS=='linux'",
          {"sources": ["native/addon/pipes_linux.cc", "native/addon/reactor_epoll.cc"]},
          {"sources": ["native/addon/pipes_portable.cc", "native/addon/reactor_poll.cc"]},
        ],
      ],
    },
  ],
  "conditions": [
    # What other systems have, on Linux, for its tests.
    [
      "OS=='linux' and warren_portable==1",
      {
        "targets": [
          {
            "target_name": "warren_addon_portable",
            "product_dir": "<(PRODUCT_DIR)/../Portable",
            "defines": ["WARREN_PORTABLE"],
            "sources": ["native/addon/pipes_portable.cc", "native/addon/reactor_poll.cc"],
          },
        ],
      },
    ],
  ],
}
