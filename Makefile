# Installs imgkeep with its units, man page, completions and a commented configuration:
#
#   make && sudo make install              into /usr/local
#   make install DESTDIR=/tmp/x PREFIX=/usr
#
# `cargo deb` makes a Debian package of the same files.

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
BINDIR ?= $(PREFIX)/bin
UNITDIR ?= $(PREFIX)/lib/systemd/system
USERUNITDIR ?= $(PREFIX)/lib/systemd/user
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
MANDIR ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share

PROGRAM = target/release/imgkeep
MADE = target/install
UNITS = $(wildcard systemd/*.service systemd/*.socket systemd/*.timer)

.PHONY: all build made install uninstall deb sbom reproducible

all: build made

build:
	cargo build --release --locked

# What the program writes about itself, and the units as they are installed.
made:
	mkdir -p $(MADE)/system $(MADE)/user
	$(PROGRAM) man > $(MADE)/imgkeep.1
	$(PROGRAM) completions bash > $(MADE)/imgkeep.bash
	$(PROGRAM) completions zsh > $(MADE)/_imgkeep
	$(PROGRAM) completions fish > $(MADE)/imgkeep.fish
	for unit in $(UNITS); do \
		sed 's|/usr/bin/imgkeep|$(BINDIR)/imgkeep|' $$unit > $(MADE)/system/$${unit##*/} || exit 1; \
	done
	sed 's|/usr/bin/imgkeep|$(BINDIR)/imgkeep|' systemd/user/imgkeep.service > $(MADE)/user/imgkeep.service

# Builds nothing, so that root need not. A configuration that is there already stays.
install:
	@test -x $(PROGRAM) || { echo 'first: make'; exit 1; }
	$(MAKE) --no-print-directory made
	install -Dm 755 $(PROGRAM) $(DESTDIR)$(BINDIR)/imgkeep
	for unit in $(notdir $(UNITS)); do \
		install -Dm 644 $(MADE)/system/$$unit $(DESTDIR)$(UNITDIR)/$$unit || exit 1; \
	done
	install -Dm 644 $(MADE)/user/imgkeep.service $(DESTDIR)$(USERUNITDIR)/imgkeep.service
	install -Dm 644 systemd/imgkeep.sysusers $(DESTDIR)$(SYSUSERSDIR)/imgkeep.conf
	install -Dm 644 $(MADE)/imgkeep.1 $(DESTDIR)$(MANDIR)/man1/imgkeep.1
	install -Dm 644 $(MADE)/imgkeep.bash $(DESTDIR)$(DATADIR)/bash-completion/completions/imgkeep
	install -Dm 644 $(MADE)/_imgkeep $(DESTDIR)$(DATADIR)/zsh/site-functions/_imgkeep
	install -Dm 644 $(MADE)/imgkeep.fish $(DESTDIR)$(DATADIR)/fish/vendor_completions.d/imgkeep.fish
	install -Dm 644 config/imgkeep.toml $(DESTDIR)$(DATADIR)/doc/imgkeep/imgkeep.toml
	test -e $(DESTDIR)$(SYSCONFDIR)/imgkeep/imgkeep.toml || \
		install -Dm 644 systemd/imgkeep.toml $(DESTDIR)$(SYSCONFDIR)/imgkeep/imgkeep.toml

# The configuration and what was kept stay.
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/imgkeep $(DESTDIR)$(USERUNITDIR)/imgkeep.service $(DESTDIR)$(SYSUSERSDIR)/imgkeep.conf \
		$(addprefix $(DESTDIR)$(UNITDIR)/,$(notdir $(UNITS))) $(DESTDIR)$(MANDIR)/man1/imgkeep.1 \
		$(DESTDIR)$(DATADIR)/bash-completion/completions/imgkeep $(DESTDIR)$(DATADIR)/zsh/site-functions/_imgkeep \
		$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/imgkeep.fish $(DESTDIR)$(DATADIR)/doc/imgkeep/imgkeep.toml

deb: all
	$(MAKE) --no-print-directory made BINDIR=/usr/bin
	cargo deb --no-build --locked

# What the program is made of: CycloneDX, with versions, licences and checksums.
sbom:
	@cargo cyclonedx --version >/dev/null 2>&1 || { echo 'first: cargo install --locked cargo-cyclonedx'; exit 1; }
	cargo cyclonedx --format json --spec-version 1.5 --override-filename imgkeep.cdx
	mkdir -p target && mv imgkeep.cdx.json target/imgkeep.cdx.json

# Two builds in two places are the same bytes.
reproducible:
	tests/reproducible.sh
