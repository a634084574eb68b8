//! Fuzz targets for what comes from the server of an update, besides the bundle.

use packer::fuzz;

/// Target: a header `Content-Range`. What is read of it makes a header that is read in the same way.
pub(crate) fn content_range(data: &[u8]) -> bool {
    let Some((range, total)) = fuzz::content_range(data) else { return false };
    assert!(range.start < range.end && total.is_none_or(|total| range.end <= total));
    let total_text = total.map_or("*".to_owned(), |total| total.to_string());
    let header = format!("bytes {}-{}/{total_text}", range.start, range.end - 1);
    assert_eq!(fuzz::content_range(header.as_bytes()), Some((range, total)));
    true
}

/// Target: three versions, in lines. Any two have an order, which is the same from both sides.
pub(crate) fn version(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    let versions: Vec<&str> = text.splitn(3, '\n').collect();
    for one in &versions {
        for other in &versions {
            let order = fuzz::compare_versions(one, other);
            assert_eq!(order.reverse(), fuzz::compare_versions(other, one));
        }
        assert!(fuzz::compare_versions(one, one).is_eq());
    }
    true
}
