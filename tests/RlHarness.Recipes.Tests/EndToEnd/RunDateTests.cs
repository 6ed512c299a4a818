using System.Text.Json.Nodes;
using Microsoft.Data.Sqlite;
using RlHarness.Core.Chat;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Reading;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using TorchSharp;

namespace RlHarness.Recipes.Tests.EndToEnd;

/// <summary>
/// Runs whose chat template writes the date and the time (shared/faults/BR-08): they are what they are on every day, at every hour, everywhere.
/// </summary>
public sealed class RunDateTests : IDisposable
{
    private const string Template =
        "{{ 'Today Date: ' + strftime_now('%d %b %Y') + ' ' + strftime_now('%H:%M:%S') }}{% for m in messages %}<|im_start|>{{ m.role }}\n"
        + "{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    private static readonly ChatMessage[] Asked = [ChatMessage.User("Is it so?")];
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-date-");

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    [Trait("kind", "contract")]
    public void A_template_is_given_midnight_of_the_run_s_date_in_every_time_zone()
    {
        using var tiny = new TinyRun();
        using var model = ModelLoader.Load(Model(tiny, Template), torch.CPU);
        var conversation = new Conversation(model, new RunSettings { Date = "2026-11-30" }.Clock);
        var prompt = model.Tokenizer!.Decode(conversation.Prompt(Asked));
        Assert.StartsWith("Today Date: 30 Nov 2026 00:00:00", prompt, StringComparison.Ordinal);
        // Half past midnight in Auckland is still yesterday in London: the date is that of the machine on which the run starts.
        var started = new DateTimeOffset(2026, 11, 30, 0, 30, 0, TimeSpan.FromHours(13));
        Assert.Equal("2026-11-30", new RunSettings().Dated(started).Date);
        Assert.Equal(
            "2024-02-29",
            new RunSettings { Date = "2024-02-29" }
                .Dated(started)
                .Date
        );
    }

    [Fact]
    [Trait("kind", "contract")]
    public void Only_a_template_that_writes_the_date_makes_keys_and_hash_depend_on_it()
    {
        using var tiny = new TinyRun();
        foreach (var (template, depends) in new[] { (Template, true), (Template.Replace("strftime_now", "string", StringComparison.Ordinal), false) })
        {
            var path = Model(tiny, template);
            (string, string) Of(string date)
            {
                var settings = tiny.Context.Settings with
                {
                    Date = date,
                    Model = new() { Path = path },
                };
                using var run = new RunContext(settings, tiny.Context.Folder, tiny.Context.Progress, tiny.Context.Log, torch.CPU, TimeProvider.System, default);
                var manifest = RunManifest.Of(settings, "test", "cpu", TimeProvider.System);
                Assert.Equal(depends, manifest.ChangedSettings.ContainsKey("date"));
                return (ImitateStage.Key(run.Inputs), manifest.ConfigHash);
            }

            var (monday, tuesday) = (Of("2026-11-30"), Of("2026-12-01"));
            Assert.Equal(Of("2026-11-30"), monday);
            Assert.Equal(depends, monday.Item1 != tuesday.Item1);
            Assert.Equal(depends, monday.Item2 != tuesday.Item2);
        }
    }

    [Fact]
    [Trait("kind", "slow")]
    public void A_run_that_goes_on_or_is_evaluated_on_another_day_keeps_its_date()
    {
        using var tiny = new TinyRun();
        var settings = TinyRun.Small(_root.FullName) with
        {
            Cache = false,
            Model = new() { Path = Model(tiny, Template) },
            Rl = TinyRun.Small("").Rl with { Steps = 3, CheckpointEvery = 1, MaxNewTokens = 8 },
        };
        var monday = new Day(new(2026, 11, 30, 9, 0, 0, TimeSpan.Zero));
        var thursday = new Day(new(2026, 12, 3, 22, 15, 7, TimeSpan.Zero));
        var whole = new TrainRecipe(new QuietProgress(), monday, default).Start(settings, "test");
        using var stop = new CancellationTokenSource();
        var progress = new QuietProgress(
            (s, u, d) =>
            {
                if (s == "rl" && u == "step" && d == 2)
                    stop.Cancel();
            }
        );
        Assert.ThrowsAny<OperationCanceledException>(() => new TrainRecipe(progress, monday, stop.Token).Start(settings with { Name = "stopped" }, "test"));
        var resumed = new TrainRecipe(new QuietProgress(), thursday, default).Resume(Path.Combine(_root.FullName, "stopped"));
        Assert.Equal(new RunRecord(whole).Transcripts, new RunRecord(resumed).Transcripts);
        Assert.Equal(new RunRecord(whole).Checkpoint("rl/step_000003"), new RunRecord(resumed).Checkpoint("rl/step_000003"));
        // A run that begins on Thursday is another one: the date does reach the prompts.
        var later = new TrainRecipe(new QuietProgress(), thursday, default).Start(settings with { Name = "later" }, "test");
        Assert.NotEqual(new RunRecord(whole).Transcripts, new RunRecord(later).Transcripts);

        new EvaluateRecipe(new QuietProgress(), monday, default).OfRun(whole, []);
        var first = Evaluated(whole);
        new EvaluateRecipe(new QuietProgress(), thursday, default).OfRun(whole, []);
        Assert.Equal(first, Evaluated(whole));
        Assert.NotEmpty(first);
        Assert.Equal("2026-11-30", RunPrompt.Clock(whole).GetLocalNow().ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture));

        // A run of before settings had a date: that of its start.
        var config = Path.Combine(whole, "config.yaml");
        File.WriteAllLines(config, File.ReadAllLines(config).Where(line => !line.StartsWith("date:", StringComparison.Ordinal)));
        // Such a run has not noted what its files are either.
        using (var connection = new SqliteConnection($"Data Source={Path.Combine(whole, "run.db")}"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "DELETE FROM meta WHERE key LIKE 'sha256/%'";
            Assert.True(command.ExecuteNonQuery() > 0);
        }

        new EvaluateRecipe(new QuietProgress(), thursday, default).OfRun(whole, []);
        Assert.Equal(first, Evaluated(whole));
    }

    private static string[] Evaluated(string run)
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(run, "run.db")};Mode=ReadOnly");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT transcript_id || assistant_text || token_logprobs FROM transcripts WHERE stage = 'evaluate' ORDER BY transcript_id";
        using var reader = command.ExecuteReader();
        var rows = new List<string>();
        while (reader.Read())
            rows.Add(reader.GetString(0));
        return [.. rows];
    }

    /// <summary>A folder of the untrained model with another template.</summary>
    private string Model(TinyRun tiny, string template)
    {
        var path = Path.Combine(_root.FullName, "model");
        ModelSaver.Save(path, tiny.Model);
        var config = Path.Combine(path, "tokenizer_config.json");
        var json = JsonNode.Parse(File.ReadAllText(config))!;
        json["chat_template"] = template;
        File.WriteAllText(config, json.ToJsonString());
        return path;
    }

    /// <summary>A clock that goes on from a time, in the time zone UTC.</summary>
    private sealed class Day(DateTimeOffset from) : TimeProvider
    {
        private readonly long _started = System.GetTimestamp();

        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => from + System.GetElapsedTime(_started);
    }
}
