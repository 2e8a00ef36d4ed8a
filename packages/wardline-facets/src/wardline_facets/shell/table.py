"""What is known about programs, as data: one row for each, or one list for those that are alike.

A program that no row names is unknown, and a command with it opaque. So a row is only written for a
program whose options are known to whoever writes it; the GNU, BSD and busybox variants count.
"""

from __future__ import annotations

from typing import Final

from wardline_facets.shell.options import Row, names, row

__all__ = [
    "BUILTINS",
    "FOLDERS",
    "INTERPRETERS",
    "NETWORK",
    "NUMBERED",
    "OPAQUE",
    "READS",
    "ROWS",
    "VERSIONED",
    "WRAPPERS",
    "WRITES",
    "WRITES_AND_NETWORK",
]

FOLDERS: Final = frozenset(
    {"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"}
)
"""Where a program is the one that its name says; in any other folder it may be anything."""

READS: Final = names("""
    b2sum basename cal cat cksum clear cmp comm cut df diff dirname du echo egrep expand expr factor
    false fgrep fmt fold free grep groups hexdump id iostat join jq last locale logname ls
    lsb_release lsblk lscpu lsmod lsusb md5sum mpstat ncal netstat nl nproc numfmt od paste pgrep
    pidof pr printenv ps pwd readlink realpath rev seq sha1sum sha224sum sha256sum sha384sum
    sha512sum shasum sleep stat strings sum sw_vers tac tail head tput tr true tsort tty uname
    unexpand uptime users vmstat w wc whereis which who whoami zcat : bc
    """)
"""Programs and builtins that only read, whatever their options."""

WRITES: Final = names("""
    adduser apply at batch brctl chattr chcon chfn chgrp chmod chown chpasswd chsh cp crontab csplit
    dd debugfs deluser depmod dmsetup ed ex fallocate fdisk fsck fuser gpasswd groupadd groupdel
    halt hwclock insmod install ip6tables iptables kexec kill killall ldconfig link ln
    losetup lvcreate lvremove mkdir mkfifo mkfs mknod mkswap mktemp modprobe mount mv nft parted
    passwd patch pkill poweroff reboot renice resizefs rm rmdir rmmod setfacl setfattr shred
    shutdown split swapoff swapon sysctl tee telinit touch truncate tune2fs ufw umount unlink
    update-alternatives useradd userdel usermod vgremove visudo wipefs zip bzip2recover trash
    fsfreeze blkdiscard sgdisk sfdisk mke2fs indent dos2unix unix2dos rename prename cpio ar
    objcopy strip ranlib sponge chpst logger wall write mesg newgrp loginctl localectl timedatectl
    hostnamectl del erase rd md copy move Remove-Item
    """)
"""Programs that change files, processes or the system, whatever their options."""

NETWORK: Final = names("""
    nc ncat netcat nc.traditional nc.openbsd socat telnet ftp lftp tftp ping ping6 fping
    traceroute traceroute6 tracepath mtr dig nslookup host whois finger rsh rlogin rexec rcp slogin
    http https httpie xh w3m lynx links elinks nmap masscan hping3 arping curlie websocat wscat
    aws az gcloud gsutil gh glab hub doctl heroku flyctl vercel netlify s3cmd rclone mosh autossh
    mail mailx sendmail msmtp swaks ldapsearch smbclient rpcclient showmount snmpwalk snmpget
    mysql psql mongosh mongo redis-cli cqlsh sqlcmd nsupdate ntpdate chronyc tcpdump tshark ngrok
    cloudflared iperf iperf3 dhclient adb ssh-copy-id ssh-keyscan sshpass proxychains proxychains4
    torsocks curlftpfs sshfs
    """)
"""Programs that connect, send, listen or look names up, whatever their options."""

WRITES_AND_NETWORK: Final = names("""
    wget wget2 aria2c axel rsync apt-get aptitude dnf yum zypper pacman apk snap flatpak npx pnpx
    bunx pipx yt-dlp youtube-dl terraform tofu ansible ansible-playbook helm vagrant packer pulumi
    gem bundle composer cpan cpanm luarocks twine svn hg bzr cvs fossil
    """)
"""Programs that fetch or send and change what is here, or there."""

OPAQUE: Final = frozenset({"source", ".", "alias", "trap", "shopt", "enable", "bind", "complete"})
"""Builtins that make later words mean something else."""

BUILTINS: Final = frozenset({"cd", "pushd", "popd", "exit", "return", "break", "continue", "wait"})
"""Builtins that change nothing but the shell itself."""

INTERPRETERS: Final = names("""
    sh bash dash zsh ksh mksh ash rbash fish csh tcsh pwsh powershell cmd python python2 python3 pypy
    pypy3 ipython perl ruby irb php lua luajit node nodejs deno bun tclsh wish expect osascript
    Rscript R julia scala groovy java jshell elixir erl ghci runhaskell ocaml guile racket clojure
    swift go rustc gcc cc g++ clang make gmake cmake ninja meson gdb lldb vi vim nvim view emacs nano
    pico ed awk gawk mawk nawk sqlite3
    """)
"""Programs that run what they are given: text, a file, a project."""

NUMBERED: Final = names("python pip perl ruby php lua gcc g++ clang")
"""Programs whose names may end in the number of their version."""

VERSIONED: Final = INTERPRETERS | names(
    "npm npx yarn pnpm pip pip3 uv cargo rustup docker kubectl helm terraform git tar"
)
"""Programs that with `--version` alone only say which they are."""

_SEARCH_VALUES: Final = "-A -B -C -m -e -g -t -T -j -d -M"

ROWS: Final[dict[str, Row]] = {
    "ag": row("acDfHhiLlnQsSuUvwz0", "-A -B -C -G -m --depth --ignore"),
    "arch": row(most=0),
    "base64": row("diD --decode", "wb --wrap", most=1),
    "base32": row("di --decode", "w --wrap", most=1),
    "black": row("qv --check --diff --quiet --verbose --fast --version", "-l -t", needs="--check --diff --version"),
    "bunzip2": row("cdktqvs", needs="c t"),
    "bzcat": row("qvs"),
    "bzip2": row("cdktqvs", needs="c t"),
    "column": row("tLnexJ --table", "scoNHRWO --separator --output-separator"),
    "date": row("uIjn --utc --rfc-email", "dr --date --reference", optional="I", writes="-s --set"),
    "dmesg": row("THxLkuwrP", "l f"),
    "dpkg": row("lLsS", needs="l L s S"),
    "fd": row(
        "HIuLpasgFil0q1 --hidden --no-ignore --follow --full-path --absolute-path --glob --ignore-case",
        "tedEcjS --type --extension --max-depth --min-depth --exclude --color --size --changed-within",
        writes="xX --exec --exec-batch",
    ),
    "file": row("bhiLkprsz0 --brief --mime --mime-type --mime-encoding", "fFm"),
    "flake8": row("v --version --statistics --count", "--max-line-length --select --ignore --exclude"),
    "getconf": row("a", most=2),
    "gunzip": row("cdfklnqtv", needs="c l t"),
    "gzip": row("cdfklnqtv123456789", needs="c l t"),
    "history": row(most=1),
    "hostname": row("sfdiIAa", writes="F b", most=0),
    "ifconfig": row("as", most=1),
    "journalctl": row(
        "abefkqrx --no-pager --utc --dmesg --boot --reverse --list-boots --disk-usage --all --user --system",
        "nuptogSU --unit --lines --since --until --priority --output --grep --identifier",
        writes="--rotate --flush --sync --cursor-file --setup-keys --vacuum-size --vacuum-time "
        "--vacuum-files --relinquish-var --update-catalog",
    ),
    "less": row("NRSFXinMeEKqQsrwgGIJ", "xjpz", writes="oO --log-file --LOG-FILE"),
    "lspci": row("vknmtDPbx", "sdi"),
    "lsof": row("nPltUhvaRO", "pucgd", optional="i"),
    "man": row("kfwa --where --whatis --apropos"),
    "more": row("dlfpcsu0123456789"),
    "mypy": row(
        "--strict --no-error-summary --pretty --no-incremental --version --show-error-codes "
        "--ignore-missing-imports --no-color-output",
        "pm --python-version --platform --package --module",
    ),
    "nm": row("aACDgnPrSuvX"),
    "objdump": row("adDfhprRsStTxC"),
    "readelf": row("aehlSgtsnrudVAIW"),
    "rg": row(
        "achilnovwxFHIJLNPSsUuVp0qz --files --hidden --no-heading --heading --line-number --json --stats "
        "--files-with-matches --files-without-match --count --count-matches --only-matching "
        "--ignore-case --smart-case --case-sensitive --word-regexp --fixed-strings --multiline "
        "--no-ignore --follow --with-filename --no-filename --no-line-number --pcre2 --trim --vimgrep "
        "--invert-match --text --type-list --no-messages --column --multiline-dotall --null",
        _SEARCH_VALUES + " -r -E --glob --iglob --type --type-not --max-count --max-depth --color "
        "--context --after-context --before-context --sort --sortr --regexp --replace --threads "
        "--max-columns --encoding --colors",
        writes="--pre --hostname-bin",
    ),
    "rpm": row("qailR", needs="q"),
    "ruff-check": row(
        "qvsen --quiet --verbose --statistics --no-cache --preview --no-fix --diff --show-files --exit-zero",
        "--select --ignore --extend-select --extend-ignore --output-format --line-length --target-version --exclude",
        writes="o --fix --unsafe-fixes --fix-only --add-noqa --output-file",
    ),
    "ruff-format": row("qv --check --diff --quiet --no-cache --preview", "--line-length --exclude", needs="--check --diff"),
    "set": row("euf", "o"),
    "shuf": row("erz", "inq --input-range --head-count", writes="o --output --random-source"),
    "sort": row(
        "bcCdfghiMmnrRsuVz --unique --numeric-sort --reverse --ignore-case --human-numeric-sort "
        "--version-sort --stable --random-sort --check --zero-terminated --debug --month-sort",
        "kStT --key --field-separator --buffer-size --parallel --batch-size --sort --temporary-directory --files0-from",
        writes="o --output --compress-program",
    ),
    "ss": row("alntupe46mriswxHoZNbO", "fFA", writes="K D --kill --diag"),
    "top": row("bcHiS1", "ndpuUow"),
    "tree": row(
        "adfilxsqhpugDrtvUcCnANSFXJ --dirsfirst --gitignore --du --si --noreport --prune --inodes",
        "LPI --filelimit --charset --sort",
        writes="oR",
    ),
    "type": row("aptPf"),
    "ulimit": row("aHS", needs="a", most=0),
    "uniq": row("cdDiuz --count --repeated --unique --ignore-case", "fsw --skip-fields --skip-chars --check-chars", most=1),
    "unxz": row("cdklqtv", needs="c l t"),
    "unzip": row("lvZztpcq1hmsTC", needs="l v Z z t p c"),
    "unzstd": row("cdlqtv", needs="c l t"),
    "xmllint": row(
        "--noout --format --nonet --recover --noblanks --nowarning --version",
        "--xpath --encode --pretty",
    ),
    "xxd": row("abCeiupr", "cgloRs", most=1),
    "xz": row("cdfklqtv0123456789", needs="c l t"),
    "xzcat": row("qvf"),
    "yq": row("rcePMjynNCv --no-colors --exit-status --raw-output --version", "opI --output-format --input-format --indent", writes="is --inplace --in-place --split-exp"),
    "zipinfo": row("12slmvhztTCZM"),
    "zstd": row("cdlqtv", needs="c l t"),
    "zstdcat": row("qv"),
}  # fmt: skip
"""Programs that read, with the options for which that is so."""

WRAPPERS: Final[dict[str, tuple[Row, int, str]]] = {
    "builtin": (row(first=True), 0, ""),
    "busybox": (row(first=True), 0, ""),
    "caffeinate": (row("dimsu", "tw", first=True), 0, ""),
    "chroot": (row("", "--userspec --groups", first=True), 1, "unknown"),
    "chrt": (row("abfior", "TPD", first=True), 1, ""),
    "command": (row("p", first=True), 0, ""),
    "doas": (row("n", "uC", first=True), 0, "unknown"),
    "exec": (row("cl", "a", first=True), 0, ""),
    "flock": (row("nsxueoF", "wcE", first=True), 1, "writes"),
    "ionice": (row("t", "cn", first=True), 0, ""),
    "ltrace": (row("fSCr", "eopusnlxw", first=True), 0, "unknown"),
    "nice": (row("", "n --adjustment", first=True), 0, ""),
    "nohup": (row(first=True), 0, ""),
    "nsenter": (row("amuinpCUr", "t", first=True), 0, "unknown"),
    "parallel": (row("kv0qtX", "jnNaI", first=True), 0, "unknown"),
    "runuser": (row("lfm", "ucg", first=True), 0, "unknown"),
    "setarch": (row("RLv", first=True), 1, ""),
    "setsid": (row("cfw", first=True), 0, ""),
    "stdbuf": (row("", "ioe --input --output --error", first=True), 0, ""),
    "strace": (row("fcqrtTvxyC", "eopsuPSEIOXab", first=True), 0, "writes"),
    "sudo": (row("bEHKknPSV", "ughpCrtT --user --group", first=True), 0, "unknown"),
    "systemd-run": (row("tPqdGr --user --scope --wait --pipe", "pu --unit --property", first=True), 0, "unknown"),
    "taskset": (row("ac", first=True), 1, ""),
    "time": (row("pvV", writes="oa --output --append", first=True), 0, ""),
    "timeout": (row("vfp --foreground --preserve-status", "ks --kill-after --signal", first=True), 1, ""),
    "toybox": (row(first=True), 0, ""),
    "unshare": (row("rmuinpUCfc", "", first=True), 0, "unknown"),
    "watch": (row("bcdegtx", "n --interval", first=True), 0, "unknown"),
}  # fmt: skip
"""Programs that run their operands: their options, the operands of their own, what they add."""
