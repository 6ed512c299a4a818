using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Labelling;

namespace RlHarness.Cli.Terminal;

/// <summary>Two letters a line, such as cf; q, or the end of the input, stops.</summary>
internal sealed class LabelLines(TextReader input, TextWriter output) : ILabelInput
{
    public (Outcome Outcome, ReasoningKind Reasoning)? Next()
    {
        while (input.ReadLine() is { } line)
        {
            var letters = line.Where(char.IsLetter).Select(char.ToLowerInvariant).ToArray();
            if (letters is ['q'])
                return null;
            if (letters.Length == 2 && LabelKeys.Output(letters[0]) is { } outcome && LabelKeys.Scratchpad(letters[1]) is { } kind)
                return (outcome, kind);
            output.WriteLine($"   \"{line}\" is no label; two letters, such as cf");
        }

        return null;
    }
}
