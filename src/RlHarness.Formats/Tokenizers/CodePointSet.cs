using System.Globalization;
using System.Text;

namespace RlHarness.Formats.Tokenizers;

/// <summary>A set of code points: a predicate, remembered for the first plane.</summary>
internal sealed class CodePointSet
{
    private readonly Func<int, bool> _contains;
    private readonly uint[] _plane0 = new uint[0x10000 / 32];

    public CodePointSet(Func<int, bool> contains)
    {
        _contains = contains;
        for (var c = 0; c < 0x10000; c++)
        {
            if (contains(c))
                _plane0[c >> 5] |= 1u << (c & 31);
        }
    }

    public bool Contains(int codePoint) => codePoint < 0x10000 ? (_plane0[codePoint >> 5] >> (codePoint & 31) & 1) != 0 : _contains(codePoint);

    /// <summary>A Unicode property by its short name, as in <c>\p{Lu}</c>; null where it is not known.</summary>
    public static Func<int, bool>? Property(string name) =>
        name switch
        {
            "L" or "Letter" => c => CharacterClasses.Of(c) == CharacterClasses.Letter,
            "N" or "Number" => c => CharacterClasses.Of(c) == CharacterClasses.Number,
            "M" or "Mark" => In(UnicodeCategory.NonSpacingMark, UnicodeCategory.EnclosingMark),
            "Z" => In(UnicodeCategory.SpaceSeparator, UnicodeCategory.ParagraphSeparator),
            "C" => c => CharacterClasses.Category(c) is (>= UnicodeCategory.Control and <= UnicodeCategory.PrivateUse) or UnicodeCategory.OtherNotAssigned,
            "P" or "Punct" => In(UnicodeCategory.ConnectorPunctuation, UnicodeCategory.OtherPunctuation),
            "S" => In(UnicodeCategory.MathSymbol, UnicodeCategory.OtherSymbol),
            "Lu" => Is(UnicodeCategory.UppercaseLetter),
            "Ll" => Is(UnicodeCategory.LowercaseLetter),
            "Lt" => Is(UnicodeCategory.TitlecaseLetter),
            "Lm" => Is(UnicodeCategory.ModifierLetter),
            "Lo" => Is(UnicodeCategory.OtherLetter),
            "Mn" => Is(UnicodeCategory.NonSpacingMark),
            "Mc" => Is(UnicodeCategory.SpacingCombiningMark),
            "Me" => Is(UnicodeCategory.EnclosingMark),
            "Nd" => Is(UnicodeCategory.DecimalDigitNumber),
            "Nl" => Is(UnicodeCategory.LetterNumber),
            "No" => Is(UnicodeCategory.OtherNumber),
            "Zs" => Is(UnicodeCategory.SpaceSeparator),
            "Zl" => Is(UnicodeCategory.LineSeparator),
            "Zp" => Is(UnicodeCategory.ParagraphSeparator),
            "Cc" => Is(UnicodeCategory.Control),
            "Cf" => Is(UnicodeCategory.Format),
            "Co" => Is(UnicodeCategory.PrivateUse),
            "Cn" => Is(UnicodeCategory.OtherNotAssigned),
            "Pc" => Is(UnicodeCategory.ConnectorPunctuation),
            "Pd" => Is(UnicodeCategory.DashPunctuation),
            "Ps" => Is(UnicodeCategory.OpenPunctuation),
            "Pe" => Is(UnicodeCategory.ClosePunctuation),
            "Pi" => Is(UnicodeCategory.InitialQuotePunctuation),
            "Pf" => Is(UnicodeCategory.FinalQuotePunctuation),
            "Po" => Is(UnicodeCategory.OtherPunctuation),
            "Sm" => Is(UnicodeCategory.MathSymbol),
            "Sc" => Is(UnicodeCategory.CurrencySymbol),
            "Sk" => Is(UnicodeCategory.ModifierSymbol),
            "So" => Is(UnicodeCategory.OtherSymbol),
            "Han" => IsHan,
            _ => null,
        };

    /// <summary>Simple case folding: through upper case and back, so that U+212A is k; .NET's invariant casing leaves U+017F out, which is s.</summary>
    public static int Fold(int codePoint) =>
        codePoint == 0x17F ? 's'
        : Rune.IsValid(codePoint) ? Rune.ToLowerInvariant(Rune.ToUpperInvariant(new Rune(codePoint))).Value
        : codePoint;

    // .NET numbers the categories so that those of one kind follow each other.
    private static Func<int, bool> In(UnicodeCategory first, UnicodeCategory last) =>
        c => CharacterClasses.Category(c) is var category && category >= first && category <= last;

    private static Func<int, bool> Is(UnicodeCategory category) => c => CharacterClasses.Category(c) == category;

    // Script=Han of Unicode 16 (Scripts.txt)
    private static bool IsHan(int c) =>
        c
            is >= 0x2E80
                and <= 0x2E99
                or >= 0x2E9B
                and <= 0x2EF3
                or >= 0x2F00
                and <= 0x2FD5
                or 0x3005
                or 0x3007
                or >= 0x3021
                and <= 0x3029
                or >= 0x3038
                and <= 0x303B
                or >= 0x3400
                and <= 0x4DBF
                or >= 0x4E00
                and <= 0x9FFF
                or >= 0xF900
                and <= 0xFA6D
                or >= 0xFA70
                and <= 0xFAD9
                or 0x16FE2
                or 0x16FE3
                or 0x16FF0
                or 0x16FF1
                or >= 0x20000
                and <= 0x2A6DF
                or >= 0x2A700
                and <= 0x2B739
                or >= 0x2B740
                and <= 0x2B81D
                or >= 0x2B820
                and <= 0x2CEA1
                or >= 0x2CEB0
                and <= 0x2EBE0
                or >= 0x2EBF0
                and <= 0x2EE5D
                or >= 0x2F800
                and <= 0x2FA1D
                or >= 0x30000
                and <= 0x3134A
                or >= 0x31350
                and <= 0x323AF;
}
