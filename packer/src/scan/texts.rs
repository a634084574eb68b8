//! Texts that say what a closure's programs need of a host: variables that they may read, and what they look for.

use std::sync::LazyLock;

use aho_corasick::packed::{Config, MatchKind, Searcher};

/// A text that packer looks for in all files. None begins with another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    LdAudit,
    LdLibraryPath,
    LdPreload,
    SslCertFile,
    LocaleArchive,
    Tzdir,
    /// Where NixOS has graphics drivers.
    OpenglDriver,
    /// The name by which libGLX opens a vendor's library.
    GlxVendor,
    /// Where libEGL finds its vendors.
    EglVendors,
    /// Where the Vulkan loader finds drivers.
    VulkanDrivers,
    /// Where OpenCL loaders find drivers.
    OpenclVendors,
    Libcuda,
    GbmBackendsPath,
    LibvaDriversPath,
    VdpauDriverPath,
    XdgOpen,
    XdgEmail,
    XdgMime,
    XdgSettings,
    GtkPath,
    GtkExePrefix,
    GtkImModuleFile,
    GioModuleDir,
    GioExtraModules,
    GdkPixbufModuleFile,
    GdkPixbufModuledir,
    GsettingsSchemaDir,
    QtPluginPath,
    QtQpaPlatformPluginPath,
    QmlImportPath,
    Qml2ImportPath,
    GstPluginPath,
    GstPluginSystemPath,
    GstPluginScanner,
    LadspaPath,
    Lv2Path,
    GconvPath,
    Locpath,
    XdgDataDirs,
    XdgConfigDirs,
    FontconfigPath,
}

/// All texts.
const TEXTS: [(Text, &str); 41] = [
    (Text::LdAudit, "LD_AUDIT"),
    (Text::LdLibraryPath, "LD_LIBRARY_PATH"),
    (Text::LdPreload, "LD_PRELOAD"),
    (Text::SslCertFile, "SSL_CERT_FILE"),
    (Text::LocaleArchive, "LOCALE_ARCHIVE"),
    (Text::Tzdir, "TZDIR"),
    (Text::OpenglDriver, "/run/opengl-driver"),
    (Text::GlxVendor, "libGLX_%s.so.0"),
    (Text::EglVendors, "glvnd/egl_vendor.d"),
    (Text::VulkanDrivers, "vulkan/icd.d"),
    (Text::OpenclVendors, "OpenCL/vendors"),
    (Text::Libcuda, "libcuda.so.1"),
    (Text::GbmBackendsPath, "GBM_BACKENDS_PATH"),
    (Text::LibvaDriversPath, "LIBVA_DRIVERS_PATH"),
    (Text::VdpauDriverPath, "VDPAU_DRIVER_PATH"),
    (Text::XdgOpen, "xdg-open"),
    (Text::XdgEmail, "xdg-email"),
    (Text::XdgMime, "xdg-mime"),
    (Text::XdgSettings, "xdg-settings"),
    (Text::GtkPath, "GTK_PATH"),
    (Text::GtkExePrefix, "GTK_EXE_PREFIX"),
    (Text::GtkImModuleFile, "GTK_IM_MODULE_FILE"),
    (Text::GioModuleDir, "GIO_MODULE_DIR"),
    (Text::GioExtraModules, "GIO_EXTRA_MODULES"),
    (Text::GdkPixbufModuleFile, "GDK_PIXBUF_MODULE_FILE"),
    (Text::GdkPixbufModuledir, "GDK_PIXBUF_MODULEDIR"),
    (Text::GsettingsSchemaDir, "GSETTINGS_SCHEMA_DIR"),
    (Text::QtPluginPath, "QT_PLUGIN_PATH"),
    (Text::QtQpaPlatformPluginPath, "QT_QPA_PLATFORM_PLUGIN_PATH"),
    (Text::QmlImportPath, "QML_IMPORT_PATH"),
    (Text::Qml2ImportPath, "QML2_IMPORT_PATH"),
    (Text::GstPluginPath, "GST_PLUGIN_PATH"),
    (Text::GstPluginSystemPath, "GST_PLUGIN_SYSTEM_PATH"),
    (Text::GstPluginScanner, "GST_PLUGIN_SCANNER"),
    (Text::LadspaPath, "LADSPA_PATH"),
    (Text::Lv2Path, "LV2_PATH"),
    (Text::GconvPath, "GCONV_PATH"),
    (Text::Locpath, "LOCPATH"),
    (Text::XdgDataDirs, "XDG_DATA_DIRS"),
    (Text::XdgConfigDirs, "XDG_CONFIG_DIRS"),
    (Text::FontconfigPath, "FONTCONFIG_PATH"),
];

/// Bytes of the longest text.
const TEXT_LEN: usize = 27;

impl Text {
    /// The text itself: a variable's name, for example.
    pub(crate) fn text(self) -> &'static str {
        TEXTS[self as usize].1
    }
}

/// The texts that some file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts(u64);

impl Texts {
    /// Whether some file holds a text.
    pub(crate) fn has(self, text: Text) -> bool {
        self.0 & (1 << text as u64) != 0
    }

    /// Those that either has.
    pub(crate) fn union(self, other: Texts) -> Texts {
        Texts(self.0 | other.0)
    }
}

/// Looks for the texts in a file that comes in pieces.
#[derive(Default)]
pub(crate) struct TextScanner {
    found: Texts,
    /// The last bytes before the next piece: a text may begin there.
    window: Vec<u8>,
}

impl TextScanner {
    /// Takes a file's next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        // A text that begins before these bytes ends in the first of them.
        let (first, rest) = bytes.split_at(bytes.len().min(TEXT_LEN - 1));
        self.window.extend_from_slice(first);
        for searched in [&self.window, bytes] {
            for found in SEARCH.iter().flat_map(|search| search.find_iter(searched)) {
                self.found.0 |= 1 << found.pattern().as_u64();
            }
        }
        self.window.extend_from_slice(&rest[rest.len().saturating_sub(TEXT_LEN - 1)..]);
        self.window.drain(..self.window.len().saturating_sub(TEXT_LEN - 1));
    }

    /// Ends a file.
    pub(crate) fn end_file(&mut self) {
        self.window.clear();
    }

    /// The texts that were found in all files.
    pub(crate) fn finish(self) -> Texts {
        self.found
    }
}

/// Searches for all texts at once, with vector instructions. It has none for an empty or a very long list.
static SEARCH: LazyLock<Option<Searcher>> = LazyLock::new(|| {
    let mut builder = Config::new().match_kind(MatchKind::LeftmostFirst).builder();
    builder.extend(TEXTS.map(|(_, text)| text)).build()
});

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(pieces: &[&[u8]]) -> Texts {
        let mut scanner = TextScanner::default();
        pieces.iter().for_each(|piece| scanner.feed(piece));
        scanner.end_file();
        scanner.finish()
    }

    #[test]
    fn the_table_is_in_order() {
        for (number, (text, bytes)) in TEXTS.into_iter().enumerate() {
            assert_eq!(text as usize, number);
            let begins = |(_, other): &&(Text, &str)| bytes.starts_with(*other);
            assert_eq!(TEXTS.iter().filter(begins).count(), 1, "{bytes}");
        }
        let longest = TEXTS.map(|(_, text)| text.len()).into_iter().max();
        assert_eq!(longest, Some(TEXT_LEN));
    }

    #[test]
    fn texts_are_found_over_the_borders_of_pieces() {
        for (name, text) in TEXTS {
            let held = [b"..".as_slice(), text.as_bytes(), b".."].concat();
            let has_only =
                |found: Texts| TEXTS.iter().all(|(other, _)| found.has(*other) == (*other == name));
            for at in 0..held.len() {
                let (left, right) = held.split_at(at);
                assert!(has_only(scanned(&[left, right])), "{text} cut at {at}");
            }
            let bytes: Vec<&[u8]> = held.chunks(1).collect();
            assert!(has_only(scanned(&bytes)), "{text} byte by byte");
            assert_eq!(scanned(&[&held[..held.len() - 3], b"."]), Texts::default());
        }
        let mut two_files = TextScanner::default();
        two_files.feed(b"TZ");
        two_files.end_file();
        two_files.feed(b"DIR");
        assert_eq!(two_files.finish(), Texts::default());
    }
}
