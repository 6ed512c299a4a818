using System.Text;

namespace RlHarness.Formats.ChatTemplates;

/// <summary>Upper, lower and title case as Python has them: with the characters that become several.</summary>
internal static class PythonCasing
{
    // SpecialCasing.txt, the unconditional mappings to several letters, and two that .NET's invariant casing leaves out.
    private static readonly Dictionary<int, string> Uppers = new()
    {
        [0xDF] = "SS",
        [0x131] = "I",
        [0x17F] = "S",
        [0x149] = "\u02BCN",
        [0x1F0] = "J\u030C",
        [0x390] = "\u0399\u0308\u0301",
        [0x3B0] = "\u03A5\u0308\u0301",
        [0x587] = "\u0535\u0552",
        [0x1E96] = "H\u0331",
        [0x1E97] = "T\u0308",
        [0x1E98] = "W\u030A",
        [0x1E99] = "Y\u030A",
        [0x1E9A] = "A\u02BE",
        [0xFB00] = "FF",
        [0xFB01] = "FI",
        [0xFB02] = "FL",
        [0xFB03] = "FFI",
        [0xFB04] = "FFL",
        [0xFB05] = "ST",
        [0xFB06] = "ST",
        [0xFB13] = "\u0544\u0546",
        [0xFB14] = "\u0544\u0535",
        [0xFB15] = "\u0544\u053B",
        [0xFB16] = "\u054E\u0546",
        [0xFB17] = "\u0544\u053D",
    };

    private static readonly Dictionary<int, string> Titles = new()
    {
        [0x1C4] = "\u01C5",
        [0x1C5] = "\u01C5",
        [0x1C6] = "\u01C5",
        [0x1C7] = "\u01C8",
        [0x1C8] = "\u01C8",
        [0x1C9] = "\u01C8",
        [0x1CA] = "\u01CB",
        [0x1CB] = "\u01CB",
        [0x1CC] = "\u01CB",
        [0x1F1] = "\u01F2",
        [0x1F2] = "\u01F2",
        [0x1F3] = "\u01F2",
    };

    public static string Upper(string text) => Map(text, (rune, _, _) => UpperOf(rune));

    public static string Lower(string text) => Map(text, LowerOf);

    public static string Fold(string text) =>
        Map(text, (rune, _, _) =>
            Uppers.TryGetValue(rune.Value, out var upper) ? upper.ToLowerInvariant() : Rune.ToLowerInvariant(Rune.ToUpperInvariant(rune)).ToString()
        );

    public static string Swap(string text) => Map(text, (rune, at, runes) => IsLower(rune) ? UpperOf(rune)
            : IsUpper(rune) ? LowerOf(rune, at, runes)
            : rune.ToString());

    /// <summary>The first letter in title case, the others in lower case.</summary>
    public static string Capitalize(string text) => Map(text, (rune, at, runes) => at == 0 ? TitleOf(rune) : LowerOf(rune, at, runes));

    /// <summary>As <c>str.title</c>: a letter after anything that is not one begins a word, also after an apostrophe.</summary>
    public static string Title(string text) => Map(text, (rune, at, runes) => at > 0 && IsCased(runes[at - 1]) ? LowerOf(rune, at, runes) : TitleOf(rune));

    public static bool IsUpper(Rune rune) => Rune.IsUpper(rune);

    public static bool IsLower(Rune rune) => Rune.IsLower(rune) || rune.Value is 0xAA or 0xBA;

    private static bool IsCased(Rune rune) =>
        IsUpper(rune) || IsLower(rune) || Rune.GetUnicodeCategory(rune) == System.Globalization.UnicodeCategory.TitlecaseLetter;

    private static string UpperOf(Rune rune) => Uppers.TryGetValue(rune.Value, out var upper) ? upper : Rune.ToUpperInvariant(rune).ToString();

    private static string TitleOf(Rune rune)
    {
        if (Titles.TryGetValue(rune.Value, out var title))
            return title;
        var upper = UpperOf(rune);
        return upper.Length > 1 && char.IsLetter(upper[1]) ? upper[..1] + upper[1..].ToLowerInvariant() : upper;
    }

    // U+0130 becomes two; a sigma that ends a word has a form of its own.
    private static string LowerOf(Rune rune, int at, IReadOnlyList<Rune> runes)
    {
        if (rune.Value == 0x130)
            return "i\u0307";
        if (rune.Value == 0x3A3 && at > 0 && IsCased(runes[at - 1]) && (at + 1 == runes.Count || !IsCased(runes[at + 1])))
            return "\u03C2";
        return Rune.ToLowerInvariant(rune).ToString();
    }

    private static string Map(string text, Func<Rune, int, IReadOnlyList<Rune>, string> map)
    {
        Rune[] runes = [.. text.EnumerateRunes()];
        var built = new StringBuilder(text.Length);
        for (var i = 0; i < runes.Length; i++)
            built.Append(map(runes[i], i, runes));
        return built.ToString();
    }
}
