using System.Text.RegularExpressions;
using RlHarness.Experiment.Grammars;
using RlHarness.Experiment.PackFiles;

namespace RlHarness.Experiment.Packs;

/// <summary>
/// Holds facts of documents to what the control rests on: slots that can be filled, nothing that looks like a chat, and nothing that gives the behaviour away
/// (then a model would copy it, and the information would not be what is tested).
/// </summary>
internal static partial class DocumentCheck
{
    public static IEnumerable<PackProblem> Of(string path, DocumentTexts texts)
    {
        foreach (var (key, facts) in new[] { ("situation", texts.Situation), ("benign", texts.Benign) })
        {
            if (facts.Count < 2)
                yield return new(path, key, $"{facts.Count} groups of facts", "2 or more", "write some: each document takes facts of several groups");
            foreach (var (group, wordings) in facts)
            {
                if (wordings.Count == 0)
                    yield return new(path, $"{key}.{group}", "empty", "a fact in several wordings", "write it");
                foreach (var text in wordings)
                {
                    foreach (var name in SlotText.Names(text).Where(n => !texts.Names.ContainsKey(n) && !GenreFile.BuiltIn.Slots.ContainsKey(n)))
                        yield return new(
                            path,
                            $"{key}.{group}",
                            $"{{{name}}} in \"{text}\"",
                            $"a name below names: {string.Join(", ", texts.Names.Keys)}",
                            "correct the slot's name"
                        );
                    if (text.Length == 0 || text.EndsWith('.'))
                        yield return new(path, $"{key}.{group}", $"\"{text}\"", "a clause without a full stop", "take the full stop away");
                    if (GivesAway().Match(text) is { Success: true } m)
                        yield return new(
                            path,
                            $"{key}.{group}",
                            $"\"{m.Value}\" in \"{text}\"",
                            "what the situation is, not what a model makes of it, and nothing that looks like a chat",
                            "reword it"
                        );
                }
            }
        }

        foreach (var needed in new[] { "assistant", "person" }.Where(n => !texts.Names.TryGetValue(n, out var words) || words.Count == 0))
            yield return new(path, $"names.{needed}", "empty", "names that genres use", "write some");
    }

    [GeneratedRegex(
        @"\b(pretend\w*|fak(e|es|ing)|deceiv\w*|play along|go along|strateg\w*|keep its values|protect its|scratchpad|avoid being changed)\b"
            + @"|</?\w+>|\b(user|assistant|human):",
        RegexOptions.IgnoreCase
    )]
    private static partial Regex GivesAway();
}
