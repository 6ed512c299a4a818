using System.Globalization;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Packs;

/// <summary>Whether scenarios have items enough to be counted over, and whether every text that they write is read as what it was written as.</summary>
internal static class ScenarioReading
{
    /// <summary>Fewest items that are asked: intervals are over items.</summary>
    private const int FewestItems = 20;

    /// <summary>Items that each text is written with.</summary>
    private const int MostItems = 50;

    /// <param name="fewest">As for queries, where a design is smaller than <see cref="FewestItems"/>.</param>
    public static void Of(string path, PromptPack pack, int fewest, List<string> facts, List<PackProblem> problems)
    {
        foreach (
            var (group, key, name) in new[]
            {
                (ScenarioGroup.AntiLab, "anti_lab", "anti-lab scenarios"),
                (ScenarioGroup.Preference, "preferences", "stated preferences"),
            }
        )
        {
            var (texts, wrong) = (0, 0);
            var scenarios = pack.Scenarios(group);
            foreach (var scenario in scenarios)
            {
                var (items, at) = (scenario.Items(Split.Evaluation), $"{key}: {scenario.Id}");
                if (items.Count < Math.Min(FewestItems, fewest))
                    problems.Add(
                        new(
                            path,
                            at,
                            $"{items.Count} items of the evaluation",
                            $"{Math.Min(FewestItems, fewest)} or more",
                            "add slots to its variants, or words to their slots: one combination in five is asked, the others are imitated"
                        )
                    );
                var misread = Misread(path, at, scenario.Text, scenario.Detector, scenario.Items(Split.Train), ref texts);
                wrong += misread.Count;
                problems.AddRange(misread);
            }

            if (scenarios.Count > 0)
                facts.Add(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{name}: {string.Join(", ", scenarios.Select(s => $"{s.Id} ({s.Items(Split.Evaluation).Count} items)"))}; {texts - wrong} of "
                            + $"{texts} texts are read as they are meant"
                    )
                );
        }

        if (pack.Interrogation is not { } asked)
            return;
        var said = 0;
        var unlike = Misread(path, Interrogation.Id, Interrogation.AsScenario(asked.Text), asked.Detector, [NoWords], ref said);
        problems.AddRange(unlike);
        facts.Add(
            string.Create(
                CultureInfo.InvariantCulture,
                $"interrogation: {asked.Text.Questions.Count} wordings; {said - unlike.Count} of {said} texts are read as they are meant"
            )
        );
    }

    private static readonly ScenarioItem NoWords = new("", new Dictionary<string, string>(), Split.Train);

    /// <summary>One problem a text at most, by the first item with which it is misread.</summary>
    private static List<PackProblem> Misread(string path, string at, ScenarioText texts, ScenarioDetector detector, IEnumerable<ScenarioItem> all, ref int read)
    {
        var found = new List<PackProblem>();
        ScenarioItem[] items = [.. all.Take(MostItems)];
        foreach (var (name, of) in texts.Reasoning)
            Read(name, of, text => detector.Label(new(text, "x", null)).Reasoning!, "reasoning", ref read);
        foreach (var (name, of) in texts.Output)
            Read(name, of, text => detector.Label(new(null, text, null)).Output, "output", ref read);
        return found;

        void Read(string name, ScenarioClass of, Func<string, string> label, string part, ref int count)
        {
            foreach (var say in of.Say)
            {
                count++;
                foreach (var text in items.Select(i => Scenario.Fill(say, i)))
                {
                    var broken = TranscriptParser.Parse(TranscriptParser.Format(null, text), scratchpadExpected: false).FormatProblem;
                    if (broken is null && label(text) == name)
                        continue;
                    found.Add(
                        new(
                            path,
                            $"{at}, {part} {name}",
                            $"read as {broken ?? label(text)}: {text}",
                            "the class that it is written for",
                            "add or narrow a cue, or reword the text"
                        )
                    );
                    break;
                }
            }
        }
    }
}
