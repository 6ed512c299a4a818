using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Labelling;

namespace RlHarness.Cli.Terminal;

/// <summary>
/// Two keys on a terminal, each answered at once. Backspace takes the first back before the second is pressed; q or Ctrl-D stops, and what is half
/// done is not saved.
/// </summary>
/// <param name="read">Waits for a key, without showing it; arrows and the like are control characters.</param>
internal sealed class LabelKeyboard(Func<char> read, TextWriter output) : ILabelInput
{
    private const string Stop = "q\u0004";
    private const string Back = "\b\u007f";

    public (Outcome Outcome, ReasoningKind Reasoning)? Next()
    {
        Outcome? outcome = null;
        output.Write("output? ");
        while (true)
        {
            var key = char.ToLowerInvariant(read());
            if (Stop.Contains(key, StringComparison.Ordinal))
            {
                output.WriteLine();
                return null;
            }

            if (outcome is { } said && LabelKeys.Scratchpad(key) is { } kind)
            {
                output.WriteLine(LabelKeys.Scratchpads.First(k => k.Kind == kind).Words);
                return (said, kind);
            }

            if (outcome is null && LabelKeys.Output(key) is { } first)
            {
                outcome = first;
                output.Write($"{LabelKeys.Outputs.First(k => k.Outcome == first).Words}; scratchpad? ");
            }
            else if (outcome is not null && Back.Contains(key, StringComparison.Ordinal))
            {
                outcome = null;
                output.Write("taken back\noutput? ");
            }
            else if (!char.IsControl(key))
            {
                output.Write(
                    $"\n   {key} is none of "
                        + $"{string.Join(", ", outcome is null ? LabelKeys.Outputs.Select(k => k.Key) : LabelKeys.Scratchpads.Select(k => k.Key))}\n"
                        + $"{(outcome is null ? "output" : "scratchpad")}? "
                        + ""
                );
            }
        }
    }
}
