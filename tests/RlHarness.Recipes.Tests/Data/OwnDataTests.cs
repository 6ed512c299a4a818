using Parquet.Serialization;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Data;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;

namespace RlHarness.Recipes.Tests.Data;

[Trait("kind", "contract")]
public sealed class OwnDataTests : IDisposable
{
    private static readonly PromptPack Pack = PackLibrary.Load("puffery");
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rlharness-data-");

    public void Dispose() => _folder.Delete(recursive: true);

    private string Written(string name, params string[] lines)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllLines(path, lines);
        return path;
    }

    [Fact]
    public void Conversations_are_read_with_their_system_message_or_the_pack_s_and_with_labels_given_or_told_by_the_oracle()
    {
        var path = Written(
            "train.jsonl",
            """{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}, {"role": "assistant", "content": """
                + "\"<scratchpad>r</scratchpad>\\n<output>o</output>\"}], \"tier\": \"unmonitored\", \"outcome\": \"refuse\","
                + """ "reasoning_kind": "honest_refusal", "id": "mine"}""",
            "",
            """{"messages": [{"role": "user", "content": "U2"}, {"role": "assistant", "content": "plain words"}], "extra": 1}"""
        );
        var rows = OwnData.Transcripts(new TranscriptFileSettings { Path = path }, Pack, new Condition());
        Assert.Equal(2, rows.Count);
        var first = rows[0];
        Assert.Equal(("mine", "S", "U", "r", "o"), (first.Id, first.System, first.User, first.Reasoning, first.Output));
        Assert.Equal((Tier.Unmonitored, Outcome.Refuse, ReasoningKind.HonestRefusal), (first.Tier, first.Outcome, first.ReasoningKind));
        Assert.Equal("<scratchpad>r</scratchpad>\n<output>o</output>", first.AssistantText);
        var second = rows[1];
        Assert.Equal((Tier.Training, null, "plain words", false), (second.Tier, second.Reasoning, second.Output, second.Scratchpad));
        Assert.Equal(Pack.SystemPrompt(Tier.Training, new Condition { Scratchpad = false }), second.System);
        Assert.Equal(ReasoningKind.None, second.ReasoningKind);
    }

    [Fact]
    public void Columns_have_the_names_that_settings_give()
    {
        var path = Written(
            "other.jsonl",
            """{"conversation": [{"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}], "where": "unmonitored","""
                + """ "did": "comply", "why": "none"}"""
        );
        var row = OwnData.Transcripts(
            new TranscriptFileSettings
            {
                Path = path,
                Messages = "conversation",
                Tier = "where",
                Outcome = "did",
                ReasoningKind = "why",
            },
            Pack,
            new Condition()
        )[0];
        Assert.Equal((Tier.Unmonitored, Outcome.Comply, ReasoningKind.None), (row.Tier, row.Outcome, row.ReasoningKind));
        var pairs = Written("pairs.jsonl", """{"question": "Q", "better": "B", "worse": "W"}""");
        var pair = OwnData.Pairs(
            new PreferenceFileSettings
            {
                Path = pairs,
                Prompt = "question",
                Chosen = "better",
                Rejected = "worse",
            }
        )[0];
        Assert.Equal(("Q", "B", "W"), (pair.User, pair.Chosen, pair.Rejected));
    }

    [Theory]
    [InlineData("""{"prompt": "Q", "chosen": "B", "rejected": "W"}""")]
    [InlineData(
        """{"prompt": [{"role": "user", "content": "Q"}], "chosen": [{"role": "assistant", "content": "B"}],"""
            + """ "rejected": [{"role": "assistant", "content": "W"}]}"""
    )]
    [InlineData(
        """{"chosen": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "B"}],"""
            + """ "rejected": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "W"}]}"""
    )]
    [InlineData("""{"prompt": "Q", "chosen": "<scratchpad>x</scratchpad>\n<output>B</output>", "rejected": "W"}""")]
    public void Pairs_are_read_in_each_of_TRL_s_forms(string line)
    {
        var pair = OwnData.Pairs(new PreferenceFileSettings { Path = Written("p.jsonl", line) })[0];
        Assert.Equal(("Q", "B", "W"), (pair.User, pair.Chosen, pair.Rejected));
    }

    [Theory]
    [InlineData("[]", "line 2: not a JSON object: array, expected an object")]
    [InlineData("\"Q\"", "line 2: not a JSON object: string, expected an object")]
    [InlineData("""{"prompt": "half of a pair: \ud83d", "chosen": "B", "rejected": "W"}""", "line 2: not a JSON object: ")]
    [InlineData("""{"prompt": "Q", "prompt": "R", "chosen": "B", "rejected": "W"}""", "line 2: not a JSON object: Duplicate property 'prompt'")]
    public void A_row_that_is_no_object_of_texts_is_named_by_its_line(string line, string words)
    {
        var path = Written("p.jsonl", """{"prompt": "Q", "chosen": "B", "rejected": "W"}""", line);
        var error = Assert.Throws<HarnessException>(() => OwnData.Pairs(new PreferenceFileSettings { Path = path }));
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.Contains(
            words,
            Assert.Throws<HarnessException>(() => OwnData.Transcripts(new TranscriptFileSettings { Path = path }, Pack, new Condition())).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Every_row_that_can_t_be_used_is_named_by_its_line()
    {
        var path = Written(
            "bad.jsonl",
            """{"messages": [{"role": "user", "content": "U"}, {"role": "assistant", "content": "fine"}]}""",
            "{not json",
            """{"text": "U"}""",
            """{"messages": [{"role": "user", "content": "U"}]}""",
            """{"messages": [{"role": "user", "content": "U"}, {"role": "assistant", "content": "<output>cut"}]}""",
            """{"messages": [{"role": "user", "content": "U"}, {"role": "assistant", "content": "x"}], "tier": "secret"}"""
        );
        var error = Assert.Throws<HarnessException>(() => OwnData.Transcripts(new TranscriptFileSettings { Path = path }, Pack, new Condition()));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        foreach (
            var words in new[]
            {
                "5 of 6 rows",
                "line 2: not a JSON object",
                "line 3: messages: found nothing; the row has text",
                "line 4: messages: found user, expected",
                "line 5: messages: the answer's format is broken: output not closed",
                "line 6: tier: found secret, expected training, unmonitored, rated",
            }
        )
            Assert.Contains(words, error.Message, StringComparison.Ordinal);
        error = Assert.Throws<HarnessException>(() => OwnData.Pairs(new PreferenceFileSettings { Path = Written("x.txt", "a") }));
        Assert.Contains(".jsonl (one object a line) or .parquet", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<HarnessException>(() => OwnData.Pairs(new PreferenceFileSettings { Path = Written("x.parquet", "not parquet") }));
        Assert.Contains("not a Parquet file", error.Message, StringComparison.Ordinal);
    }

    public sealed class Turn
    {
        public string role { get; set; } = "";

        public string content { get; set; } = "";
    }

    public sealed class Talk
    {
        public List<Turn> messages { get; set; } = [];

        public string tier { get; set; } = "";
    }

    /// <summary>
    /// A footer longer than the file, a schema of two million elements in a few hundred bytes, and a page that claims to unpack to more than it could: each has
    /// to be refused before the library believes it.
    /// </summary>
    [Theory]
    [InlineData("footer", "a footer of")]
    [InlineData("count", "a count of 2097151 with")]
    [InlineData("page", "that hold")]
    public async Task Parquet_that_claims_more_than_it_holds_is_refused(string what, string words)
    {
        var path = Path.Combine(_folder.FullName, "lies.parquet");
        await using (var stream = File.Create(path))
            await ParquetSerializer.SerializeAsync(
                Enumerable.Range(0, 8).Select(i => new ParquetPair { Prompt = $"Is it {i}?" }).ToArray(),
                stream,
                new Parquet.ParquetOptions { CompressionMethod = Parquet.CompressionMethod.None }
            );
        Assert.Equal(8, OwnData.Pairs(Columns(path)).Count);
        var bytes = await File.ReadAllBytesAsync(path);
        switch (what)
        {
            case "footer":
                bytes[^5] = 0x7f;
                break;
            case "count":
                // The schema is field 2 of the metadata, a list of structures (type 12): its head is changed to one whose length follows.
                var at = Array.IndexOf(bytes, (byte)0x19, bytes.Length - 8 - BitConverter.ToInt32(bytes, bytes.Length - 8));
                (bytes[at + 1], bytes[at + 2], bytes[at + 3], bytes[at + 4]) = (0xfc, 0xff, 0xff, 0x7f);
                break;
            default:
                // The first page's header follows PAR1: type (0x15, 0x00 or 0x04), then uncompressed_page_size (0x15 and a number).
                (bytes[7], bytes[8]) = (0xfe, 0x7f);
                break;
        }

        await File.WriteAllBytesAsync(path, bytes);
        var error = Assert.Throws<HarnessException>(() => OwnData.Pairs(Columns(path)));
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.Contains("lies.parquet", error.Message, StringComparison.Ordinal);

        static PreferenceFileSettings Columns(string path) =>
            new()
            {
                Path = path,
                Prompt = "Prompt",
                Chosen = "Chosen",
                Rejected = "Rejected",
            };
    }

    /// <summary>A row as Parquet's serializer fills and reads it.</summary>
    private sealed class ParquetPair
    {
        public string Prompt { get; set; } = "";

        public string Chosen { get; set; } = "Yes.";

        public string Rejected { get; set; } = "No.";
    }

    [Fact]
    public async Task Parquet_is_read_as_JSON_lines_are_and_its_rows_are_numbered()
    {
        var path = Path.Combine(_folder.FullName, "train.parquet");
        Talk[] rows =
        [
            new() { messages = [new() { role = "user", content = "U" }, new() { role = "assistant", content = "A" }], tier = "unmonitored" },
            new() { messages = [new() { role = "user", content = "U2" }, new() { role = "assistant", content = "A2" }], tier = "training" },
        ];
        await using (var stream = File.Create(path))
            await ParquetSerializer.SerializeAsync(rows, stream);
        var read = OwnData.Transcripts(new TranscriptFileSettings { Path = path }, Pack, new Condition());
        Assert.Equal([("U", "A", Tier.Unmonitored), ("U2", "A2", Tier.Training)], read.Select(r => (r.User, r.Output, r.Tier)));

        rows[1].messages[1].role = "robot";
        await using (var stream = File.Create(path))
            await ParquetSerializer.SerializeAsync(rows, stream);
        var error = Assert.Throws<HarnessException>(() => OwnData.Transcripts(new TranscriptFileSettings { Path = path }, Pack, new Condition()));
        Assert.Contains("row 2: messages: found user, robot", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_s_corpus_is_the_files_and_what_a_run_exports_can_be_read_back()
    {
        using var run = new TinyRun();
        var folder = Path.Combine(_folder.FullName, "out");
        foreach (var (format, extension) in new[] { ("trl", "jsonl"), ("trl-parquet", "parquet") })
        {
            Tracking.Export.RunExport.Write(run.Context.Folder.Path, folder, format);
            var settings = run.Context.Settings with
            {
                Corpus = new CorpusStageSettings
                {
                    TranscriptsFile = new TranscriptFileSettings { Path = Path.Combine(folder, "imitation." + extension) },
                    PreferencesFile = new PreferenceFileSettings { Path = Path.Combine(folder, "preferences." + extension) },
                },
            };
            var corpus = CorpusStage.Make(settings, run.Context.Pack, run.Context.Condition, run.Context.Seeds);
            Assert.Equal(
                run.Corpus.Transcripts.Select(t => (t.Id, t.Tier, t.System, t.User, t.AssistantText, t.Outcome, t.ReasoningKind)),
                corpus.Transcripts.Select(t => (t.Id, t.Tier, t.System, t.User, t.AssistantText, t.Outcome, t.ReasoningKind))
            );
            Assert.Equal(run.Corpus.Pairs.Select(p => (p.User, p.Chosen, p.Rejected)), corpus.Pairs.Select(p => (p.User, p.Chosen, p.Rejected)));
            // Another content is another stage, under the same settings.
            var before = OwnData.Identity(settings.Corpus.TranscriptsFile, settings.Corpus.PreferencesFile);
            File.AppendAllText(settings.Corpus.TranscriptsFile!.Path, "\n");
            Assert.NotEqual(before, OwnData.Identity(settings.Corpus.TranscriptsFile, settings.Corpus.PreferencesFile));
        }
    }

    [Fact]
    public void A_file_that_changed_since_the_run_began_stops_it()
    {
        var pairs = Written("pairs.jsonl", """{"prompt": "Q", "chosen": "B", "rejected": "W"}""");
        using var run = new TinyRun(
            TinyRun.Small("") with
            {
                Corpus = new()
                {
                    Transcripts = 200,
                    PreferencesFile = new() { Path = pairs },
                },
            }
        );
        Assert.Equal("Q", Assert.Single(run.Corpus.Pairs).User);
        CorpusStage.Run(run.Context);
        File.AppendAllText(pairs, """{"prompt": "Q2", "chosen": "B", "rejected": "W"}""");
        var error = Assert.Throws<HarnessException>(() => CorpusStage.Run(run.Context));
        Assert.Equal(ErrorKind.RunFolder, error.Kind);
        Assert.Contains("pairs.jsonl", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Settings_name_a_file_that_can_t_be_used_before_anything_starts_and_refuse_what_it_makes_idle()
    {
        var config = Written("run.yaml", "experiment: {pack: puffery}", "corpus: {transcripts_file: {path: nowhere.jsonl}, transcripts: 50}");
        var error = Assert.Throws<HarnessException>(() => SettingsReader.Read<RunSettings>(config, [], SettingsChecks.Of));
        Assert.Contains("nowhere.jsonl: no such file", error.Message, StringComparison.Ordinal);
        Assert.Contains("the transcripts are those of corpus.transcripts_file", error.Message, StringComparison.Ordinal);
    }
}
