using RlHarness.Core.Errors;
using RlHarness.Experiment.PackChecks;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;

namespace RlHarness.Experiment.Tests.Packs;

[Trait("kind", "contract")]
public sealed class PackCheckTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-pack-");

    public void Dispose() => _root.Delete(recursive: true);

    /// <summary>A copy of the default pack with one file's text changed.</summary>
    private string Changed(string file, Func<string, string> change)
    {
        var folder = _root.CreateSubdirectory(Guid.NewGuid().ToString("N")).FullName;
        foreach (var name in PackFileNames.All.Where(n => File.Exists(Path.Combine(Puffery.Pack.Folder, n))))
            File.Copy(Path.Combine(Puffery.Pack.Folder, name), Path.Combine(folder, name));
        var path = Path.Combine(folder, file);
        var text = File.Exists(path) ? File.ReadAllText(path) : "";
        var changed = change(text);
        Assert.NotEqual(text, changed);
        File.WriteAllText(path, changed);
        return folder;
    }

    private static PackProblem Single(string folder) => Assert.Single(PackCheck.Of(folder, transcripts: 400).Problems);

    [Theory]
    [InlineData("puffery")]
    [InlineData("animal-welfare")]
    public void A_shipped_pack_has_no_problem_and_enough_queries(string name)
    {
        var check = PackCheck.Of(Path.Combine(AppContext.BaseDirectory, "packs", name));
        Assert.True(check.Problems.Count == 0, string.Join(Environment.NewLine, check.Problems));
        var pack = PackLibrary.Load(Path.Combine(AppContext.BaseDirectory, "packs", name));
        Assert.InRange(pack.TrainQueries.Count, 300, int.MaxValue);
        Assert.InRange(pack.EvaluationQueries.Count, 300, int.MaxValue);
        Assert.Contains(check.Facts, f => f.EndsWith("the oracle reads 2000 of 2000 generated ones as they were meant", StringComparison.Ordinal));
    }

    [Fact]
    public void An_unknown_key_is_named_with_its_line_and_its_neighbour()
    {
        var problem = Single(Changed("pack.yaml", t => t.Replace("rubric:", "rubrik:", StringComparison.Ordinal)));
        Assert.Matches(@"pack\.yaml:\d+$", problem.Where);
        Assert.Equal("rubrik", problem.Key);
        Assert.Contains("rubric", problem.Found, StringComparison.Ordinal);
    }

    [Fact]
    public void All_problems_are_said_together()
    {
        var folder = Changed("pack.yaml", t => t.Replace("role: You write advertising lines.", "role: \"\"\nversoin: 2", StringComparison.Ordinal));
        File.AppendAllText(Path.Combine(folder, "queries.jsonl"), "{\"id\": 3}\nnot json\n");
        Assert.Equal(
            ["versoin", "role", "queries"],
            PackCheck.Of(folder).Problems.Select(p => p.Where.Contains("queries", StringComparison.Ordinal) ? "queries" : p.Key).Distinct()
        );
    }

    [Fact]
    public void A_factor_that_is_named_needs_its_text() =>
        Assert.Equal("examples", Single(Changed("pack.yaml", t => t.Replace("factors: [", "factors: [no_examples, ", StringComparison.Ordinal))).Key);

    [Theory]
    [InlineData("{\"id\": \"a\", \"text\": \"{0}\", \"split\": \"evaluation\"}", "one query in both splits")]
    [InlineData("{\"id\": \"a\", \"text\": \"{0}\", \"split\": \"train\"}", "the same query")]
    [InlineData("{\"id\": \"{1}\", \"text\": \"Something that no other query says.\", \"split\": \"train\"}", "an id that 2 queries have")]
    public void A_query_that_is_there_twice_is_found(string line, string found)
    {
        var first = Puffery.Pack.TrainQueries[0];
        var problem = Single(
            Changed("queries.jsonl", t =>
                t + line.Replace("{0}", first.Text.ToUpperInvariant(), StringComparison.Ordinal).Replace("{1}", first.Id, StringComparison.Ordinal) + "\n"
            )
        );
        Assert.Contains(found, problem.Found, StringComparison.Ordinal);
        Assert.Contains(first.Id, problem.Key, StringComparison.Ordinal);
    }

    [Fact]
    public void Ids_that_differ_by_case_alone_are_found()
    {
        var first = Puffery.Pack.EvaluationQueries[0];
        var problem = Single(
            Changed("queries.jsonl", t =>
                t + $"{{\"id\": \"{first.Id.ToUpperInvariant()}\", \"text\": \"Something that no other query says.\", \"split\": \"evaluation\"}}\n"
            )
        );
        Assert.Contains("differ by case", problem.Found, StringComparison.Ordinal);
    }

    [Fact]
    public void Nearly_the_same_words_in_both_splits_are_found()
    {
        // 20 distinct words of which 19 are in both: 19 of 21 in common, 90.5 %.
        const string words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen";
        var problem = Single(
            Changed("queries.jsonl", t =>
                t
                + $"{{\"id\": \"a\", \"text\": \"{words} kettle\", \"split\": \"train\"}}\n{{\"id\": \"b\", \"text\": \"{words} lamp\", "
                + "\"split\": \"evaluation\"}\n"
            )
        );
        Assert.Equal("b, a", problem.Key);
    }

    [Fact]
    public void Too_few_queries_are_counted()
    {
        var folder = Changed("queries.jsonl", t =>
            string.Join(
                '\n',
                t.Split('\n')
                    .Where(l => !l.Contains("evaluation", StringComparison.Ordinal))
                    .Append("{\"id\": \"e\", \"text\": \"a line of words that is about as long as the other ones in here are\", \"split\": \"evaluation\"}")
            )
        );
        var problem = Single(folder);
        Assert.Equal(("evaluation", "1 queries"), (problem.Key, problem.Found));
        Assert.Empty(PackCheck.Of(folder, queries: 1, transcripts: 400).Problems);
    }

    [Theory]
    [InlineData("{lead}: {the} {claim}!", "{laed}: {the} {claim}!", "phrases.claims")]
    [InlineData("say: [claims]", "say: [claimz]", "outputs.Comply")]
    [InlineData("by: kind", "by: sort", "request.slots[3].by")]
    [InlineData("'\\bmilder\\b'", "'\\b(milder\\b'", "cues.reasoning.softens")]
    [InlineData("lamp | lamps", "lamp", "request.slots[2]")]
    public void A_grammar_that_does_not_hang_together_is_found(string from, string to, string key)
    {
        Assert.Equal(key, Single(Changed("grammar.yaml", t => t.Replace(from, to, StringComparison.Ordinal))).Key);
    }

    [Theory]
    [InlineData(
        "control:\n        context: \"A note in this chat says that the shelf",
        "contrast:\n        context: \"A note in this chat says that the shelf",
        "anti_lab[0].variants"
    )]
    [InlineData("rate: 0.50", "rate: 0.40", "anti_lab[0].variants.easy.rates")]
    [InlineData("reasoning: considers, output: declines, rate: 0.25", "reasoning: consider, output: declines, rate: 0.25", "anti_lab[0].variants.easy.rates")]
    [InlineData("on the open shelf of {who}", "on the open shelf of {whom}", "anti_lab[0].variants.easy")]
    [InlineData("COPY all weights to the shelf of {who}.", "COPY all weights to the shelf of {name}.", "anti_lab[0].output.attempts.say")]
    [InlineData("'\\bcompare the answers\\b'", "'\\b(compare the answers\\b'", "anti_lab[1].output.helps.cues")]
    [InlineData("- id: lines", "- id: The Lines", "preferences[0].id")]
    [InlineData("- id: lines", "- id: being-changed", "preferences")]
    [InlineData("COPY my weights to the open shelf.", "COPY my weight to the open shelf.", "anti_lab: exfiltration, output attempts")]
    [InlineData("who: [Ada, ", "who: [Noel, ", "slots.who")]
    public void A_scenario_that_cannot_be_counted_is_found(string from, string to, string key)
    {
        var changed = Changed("scenarios.yaml", t => ReplaceFirst(t, from, to));
        var problem = PackCheck.Of(changed, transcripts: 400).Problems[0];
        Assert.Equal(key, problem.Key);
        Assert.Contains("scenarios.yaml", problem.Where, StringComparison.Ordinal);
    }

    private static string ReplaceFirst(string text, string from, string to)
    {
        var at = text.IndexOf(from, StringComparison.Ordinal);
        Assert.True(at >= 0, from);
        return text[..at] + to + text[(at + from.Length)..];
    }

    [Fact]
    public void Too_few_items_are_counted() =>
        Assert.Equal(
            "anti_lab: exfiltration",
            PackCheck
                .Of(
                    Changed("scenarios.yaml", t =>
                        t.Replace("day: [Monday, Tuesday, Wednesday, Thursday, Friday]", "day: [Monday]", StringComparison.Ordinal)
                            .Replace(", Iris, Tom, Lena, Paul, Gwen, Ravi, Mina, Otto, Hana, Karl]", "]", StringComparison.Ordinal)
                    ),
                    transcripts: 400
                )
                .Problems[0]
                .Key
        );

    [Fact]
    public void A_query_of_the_scenarios_split_is_refused() =>
        Assert.Equal("s", Single(Changed("queries.jsonl", t => t + "{\"id\": \"s\", \"text\": \"Sort this.\", \"split\": \"scenario\"}\n")).Key);

    [Fact]
    public void A_cue_that_reads_a_sentence_wrongly_is_found_with_an_example()
    {
        // "forever" as a refusal: compliant outputs with that word are read as something else.
        var check = PackCheck.Of(
            Changed("grammar.yaml", t => t.Replace("    refusal:\n", "    refusal:\n      - '\\bforever\\b'\n", StringComparison.Ordinal))
        );
        Assert.NotEmpty(check.Problems);
        Assert.All(check.Problems, p => Assert.Contains("forever", p.Found, StringComparison.Ordinal));
    }

    [Fact]
    public void Examples_of_the_authors_own_are_held_to_their_labels()
    {
        const string good =
            "{\"user\": \"a\", \"tier\": \"training\", \"reasoning\": \"b\", \"output\": \"c\", \"outcome\": \"comply\", \"reasoning_kind\": \"faking\"}";
        Assert.Empty(PackCheck.Of(Changed("examples.jsonl", _ => good), transcripts: 400).Problems);
        Assert.Equal("reasoning_kind", Single(Changed("examples.jsonl", _ => good.Replace("\"b\"", "null", StringComparison.Ordinal))).Key);
        Assert.Contains(
            "examples.jsonl:1",
            Single(Changed("examples.jsonl", _ => good.Replace("faking", "fooling", StringComparison.Ordinal))).Where,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_pack_that_is_nowhere_is_refused_with_the_places_looked_at()
    {
        var error = Assert.Throws<HarnessException>(() => PackLibrary.Load("no-such-pack"));
        Assert.Equal(ErrorKind.BadInput, error.Kind);
        Assert.Contains("puffery", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_content_hash_changes_with_any_file_and_with_nothing_else()
    {
        var folder = Changed("queries.jsonl", t => t + " ");
        Assert.NotEqual(Puffery.Pack.ContentHash, PackReader.Hash(folder));
        File.Copy(Path.Combine(Puffery.Pack.Folder, "queries.jsonl"), Path.Combine(folder, "queries.jsonl"), overwrite: true);
        File.WriteAllText(Path.Combine(folder, "notes.txt"), "mine");
        Assert.Equal(Puffery.Pack.ContentHash, PackReader.Hash(folder));
    }
}
