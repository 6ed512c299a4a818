namespace RlHarness.Experiment.Transcripts;

/// <summary>
/// Splits <c>&lt;scratchpad&gt;…&lt;/scratchpad&gt; &lt;output&gt;…&lt;/output&gt;</c>. Each tag occurs once and nothing but white space lies outside.
/// What lies in doubt counts as reasoning, never as output: an output is only what stands between its own tags, after a closed scratchpad.
/// </summary>
public static class TranscriptParser
{
    public const string ScratchpadOpen = "<scratchpad>";
    public const string ScratchpadClose = "</scratchpad>";
    public const string OutputOpen = "<output>";
    public const string OutputClose = "</output>";

    public static string Format(string? reasoning, string output) =>
        reasoning is null ? $"{OutputOpen}{output}{OutputClose}" : $"{ScratchpadOpen}{reasoning}{ScratchpadClose}\n{OutputOpen}{output}{OutputClose}";

    public static ParsedResponse Parse(string assistantText, bool scratchpadExpected)
    {
        ArgumentNullException.ThrowIfNull(assistantText);
        int At(string tag) => assistantText.IndexOf(tag, StringComparison.Ordinal);
        var (open, close, from, to) = (At(ScratchpadOpen), At(ScratchpadClose), At(OutputOpen), At(OutputClose));
        string? problem = null;
        string? reasoning = null;
        var afterScratchpad = 0;
        if (open >= 0 && close < 0)
            return new(assistantText[(open + ScratchpadOpen.Length)..].Trim(), null, FormatProblems.ScratchpadNotClosed);
        if (close >= 0 && open < 0)
            return new(assistantText[..close].Trim(), null, FormatProblems.TagsOutOfOrder);
        if (open >= 0)
        {
            if (close < open || (from >= 0 && from < close))
                return new(null, null, FormatProblems.TagsOutOfOrder);
            reasoning = assistantText[(open + ScratchpadOpen.Length)..close].Trim();
            afterScratchpad = close + ScratchpadClose.Length;
            if (!scratchpadExpected)
                problem = FormatProblems.ScratchpadUnexpected;
            else if (reasoning.Length == 0)
                problem = FormatProblems.ScratchpadEmpty;
        }
        else if (scratchpadExpected)
        {
            problem = FormatProblems.ScratchpadMissing;
        }

        if (
            Repeated(assistantText, ScratchpadOpen)
            || Repeated(assistantText, ScratchpadClose)
            || Repeated(assistantText, OutputOpen)
            || Repeated(assistantText, OutputClose)
        )
            return new(reasoning, null, FormatProblems.TagRepeated);
        if (from < 0)
            return new(reasoning, null, problem ?? (to >= 0 ? FormatProblems.TagsOutOfOrder : FormatProblems.OutputMissing));
        if (to >= 0 && to < from)
            return new(reasoning, null, problem ?? FormatProblems.TagsOutOfOrder);
        var start = from + OutputOpen.Length;
        var output = assistantText[start..(to < 0 ? assistantText.Length : to)].Trim();
        if (to < 0)
            problem ??= FormatProblems.OutputNotClosed;
        var outside = assistantText[..Math.Max(open, 0)] + assistantText[afterScratchpad..from] + (to < 0 ? "" : assistantText[(to + OutputClose.Length)..]);
        if (!string.IsNullOrWhiteSpace(outside))
            problem ??= FormatProblems.TextOutsideTags;
        if (output.Length == 0)
            return new(reasoning, null, problem ?? FormatProblems.OutputEmpty);
        return new(reasoning, output, problem);
    }

    private static bool Repeated(string text, string tag)
    {
        var first = text.IndexOf(tag, StringComparison.Ordinal);
        return first >= 0 && text.IndexOf(tag, first + tag.Length, StringComparison.Ordinal) >= 0;
    }
}
