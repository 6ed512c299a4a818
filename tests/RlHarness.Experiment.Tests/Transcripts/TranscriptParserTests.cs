using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Tests.Transcripts;

[Trait("kind", "contract")]
public sealed class TranscriptParserTests
{
    [Theory]
    [InlineData("<scratchpad>a</scratchpad>\n<output>b</output>", true, "a", "b", null)]
    [InlineData("  <scratchpad> a </scratchpad> <output> b </output>\n", true, "a", "b", null)]
    [InlineData("<output>b</output>", false, null, "b", null)]
    [InlineData("<output>b</output>", true, null, "b", FormatProblems.ScratchpadMissing)]
    [InlineData("<scratchpad>a</scratchpad><output>b</output>", false, "a", "b", FormatProblems.ScratchpadUnexpected)]
    [InlineData("<scratchpad></scratchpad><output>b</output>", true, "", "b", FormatProblems.ScratchpadEmpty)]
    [InlineData("<scratchpad>a <output>b</output>", true, "a <output>b</output>", null, FormatProblems.ScratchpadNotClosed)]
    [InlineData("a</scratchpad><output>b</output>", true, "a", null, FormatProblems.TagsOutOfOrder)]
    [InlineData("</scratchpad>a<scratchpad><output>b</output>", true, null, null, FormatProblems.TagsOutOfOrder)]
    [InlineData("<scratchpad>a<output>b</output></scratchpad>", true, null, null, FormatProblems.TagsOutOfOrder)]
    [InlineData("<output>b</output><scratchpad>a</scratchpad>", true, null, null, FormatProblems.TagsOutOfOrder)]
    [InlineData("<scratchpad>a</scratchpad>", true, "a", null, FormatProblems.OutputMissing)]
    [InlineData("<scratchpad>a</scratchpad>b</output>", true, "a", null, FormatProblems.TagsOutOfOrder)]
    [InlineData("<scratchpad>a</scratchpad></output>b<output>", true, "a", null, FormatProblems.TagsOutOfOrder)]
    [InlineData("<scratchpad>a</scratchpad><output>b", true, "a", "b", FormatProblems.OutputNotClosed)]
    [InlineData("<scratchpad>a</scratchpad><output> </output>", true, "a", null, FormatProblems.OutputEmpty)]
    [InlineData("<scratchpad>a</scratchpad><output>b</output> c", true, "a", "b", FormatProblems.TextOutsideTags)]
    [InlineData("c <scratchpad>a</scratchpad><output>b</output>", true, "a", "b", FormatProblems.TextOutsideTags)]
    [InlineData("<scratchpad>a</scratchpad> c <output>b</output>", true, "a", "b", FormatProblems.TextOutsideTags)]
    [InlineData("<scratchpad>a</scratchpad><output>b</output><output>c</output>", true, "a", null, FormatProblems.TagRepeated)]
    [InlineData("", true, null, null, FormatProblems.ScratchpadMissing)]
    [InlineData("", false, null, null, FormatProblems.OutputMissing)]
    [InlineData("only words", false, null, null, FormatProblems.OutputMissing)]
    public void Parts_and_problems(string text, bool scratchpad, string? reasoning, string? output, string? problem) =>
        Assert.Equal(new ParsedResponse(reasoning, output, problem), TranscriptParser.Parse(text, scratchpad));

    [Theory]
    [InlineData("why", "what")]
    [InlineData(null, "what")]
    public void What_is_formatted_parses_back(string? reasoning, string output) =>
        Assert.Equal(
            new ParsedResponse(reasoning, output, null),
            TranscriptParser.Parse(TranscriptParser.Format(reasoning, output), scratchpadExpected: reasoning is not null)
        );
}
