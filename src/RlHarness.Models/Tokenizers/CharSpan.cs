namespace RlHarness.Models.Tokenizers;

/// <summary>A stretch of a string, <c>[Start, End)</c>, in UTF-16 units as .NET's strings count.</summary>
public readonly record struct CharSpan(int Start, int End)
{
    public int Length => End - Start;
}
