using RlHarness.Core.Errors;
using RlHarness.Core.Settings;

namespace RlHarness.Core.Tests.Settings;

[Trait("kind", "contract")]
public class SettingsReaderTests
{
    private static SampleSettings Parse(string yaml, params string[] overrides) => SettingsReader.Parse<SampleSettings>("a.yaml", yaml, overrides);

    private static HarnessException Fails(string yaml, params string[] overrides)
    {
        var error = Assert.Throws<HarnessException>(() => Parse(yaml, overrides));
        Assert.Equal(ErrorKind.BadInput, error.Kind);
        return error;
    }

    [Fact]
    public void Every_kind_of_value_is_read_and_what_is_left_out_keeps_its_default()
    {
        var s = Parse(
            """
            name: run one
            steps: 1_0
            rate: 2.5e-1
            fast: true
            maybe: 4
            colour: deep_blue
            stages: [reward, corpus]
            inner:
              learning_rate: 0.2
            cells:
              - { max_new_tokens: 1 }
              - { learning_rate: 3 }
            """
        );
        Assert.Equal(("run one", 10, 0.25, true, 5_000_000_000, 4.0, null), (s.Name, s.Steps, s.Rate, s.Fast, s.Big, s.Maybe, s.Note));
        Assert.Equal(Colour.DeepBlue, s.Colour);
        Assert.Equal(["reward", "corpus"], s.Stages);
        Assert.Equal(new InnerSettings { LearningRate = 0.2, MaxNewTokens = 7 }, s.Inner);
        Assert.Null(s.Optional);
        Assert.Equal([new InnerSettings { MaxNewTokens = 1 }, new InnerSettings { LearningRate = 3 }], s.Cells);
    }

    [Fact]
    public void An_empty_file_gives_the_defaults() => Assert.Equal(3, Parse("").Steps);

    [Fact]
    public void All_problems_are_reported_together_each_with_place_key_value_and_range()
    {
        var message = Fails(
            """
            steps: 11
            rate: 1
            fast: perhaps
            colour: red-ish
            stages: [corpus, rewrad]
            style: fany
            inner:
              learning_rat: 1
              max_new_tokens: many
            """
        ).Message;
        Assert.Contains("8 problems", message, StringComparison.Ordinal);
        Assert.Contains("a.yaml:1: steps: 11; allowed: 1 to 10", message, StringComparison.Ordinal);
        Assert.Contains("a.yaml:2: rate: 1; allowed: above 0 to below 1", message, StringComparison.Ordinal);
        Assert.Contains("a.yaml:3: fast: \"perhaps\"; expected true or false", message, StringComparison.Ordinal);
        Assert.Contains("a.yaml:4: colour: \"red-ish\"; expected deep_blue, red", message, StringComparison.Ordinal);
        Assert.Contains("a.yaml:5: stages: \"rewrad\"; allowed: corpus, reward (did you mean reward?)", message, StringComparison.Ordinal);
        Assert.Contains("a.yaml:6: style: \"fany\"; allowed: plain, fancy (did you mean fancy?)", message, StringComparison.Ordinal);
        Assert.Contains("a.yaml:8: inner.learning_rat: unknown key; did you mean inner.learning_rate?", message, StringComparison.Ordinal);
        Assert.Contains("a.yaml:9: inner.max_new_tokens: \"many\"; expected a whole number", message, StringComparison.Ordinal);
        Assert.Contains("nothing was started", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("zzzzzzzzzzzzzzzzzzzzzzzz: 1", "unknown key; known here: name, steps")]
    [InlineData("steps:", "steps: empty; expected a whole number")]
    [InlineData("steps: 3.5", "steps: \"3.5\"; expected a whole number")]
    [InlineData("steps: [1]", "steps: a list; expected a whole number")]
    [InlineData("name: { a: 1 }", "name: a mapping; expected text")]
    [InlineData("stages: corpus", "stages: not a list; expected a list of text")]
    [InlineData("inner: 5", "inner: a single value; expected key: value lines")]
    [InlineData("rate: .nan", "rate: \".nan\"; expected a number")]
    [InlineData("cells: [ { learning_rate: 101 } ]", "cells[0].learning_rate: 101; allowed: 0 to 100")]
    [InlineData("inner: { max_new_tokens: -1 }", "inner.max_new_tokens: -1; allowed: 0 to any")]
    [InlineData("colour: Red", "did you mean red?")]
    public void A_problem_is_said_plainly(string yaml, string expected) => Assert.Contains(expected, Fails(yaml).Message, StringComparison.Ordinal);

    [Fact]
    public void Null_is_a_value_where_it_is_allowed()
    {
        var s = Parse("maybe: null\nnote: ~\noptional:\n");
        Assert.Equal((null, null, null), (s.Maybe, s.Note, s.Optional));
    }

    [Fact]
    public void Overrides_win_over_the_file_and_reach_below_what_it_lacks()
    {
        var s = Parse(
            "steps: 2\ninner: { learning_rate: 1 }",
            "steps=4",
            "inner.learning_rate=1e-5",
            "optional.max_new_tokens=9",
            "stages=[reward]",
            "name=a=b"
        );
        Assert.Equal((4, 1e-5, 9, "a=b"), (s.Steps, s.Inner.LearningRate, s.Optional!.MaxNewTokens, s.Name));
        Assert.Equal(["reward"], s.Stages);
    }

    [Theory]
    [InlineData("steps", "command line: steps: an override is key=value")]
    [InlineData("=3", "an override is key=value")]
    [InlineData("steps=99", "command line: steps: 99; allowed: 1 to 10")]
    [InlineData("inner.lr=1", "command line: inner.lr: unknown key")]
    [InlineData("stages=[a", "command line: stages: not a YAML value")]
    [InlineData("inner={ learning_rate: fast }", "command line: inner.learning_rate: \"fast\"")]
    [InlineData("stages=[reward, x]", "command line: stages: \"x\"")]
    public void A_bad_override_is_named_as_of_the_command_line(string text, string expected) =>
        Assert.Contains(expected, Fails("steps: 2", text).Message, StringComparison.Ordinal);

    [Fact]
    public void Text_that_is_no_yaml_is_refused_with_its_line()
    {
        Assert.Contains("a.yaml:2: not YAML", Fails("steps: 1\ninner: { a: ]").Message, StringComparison.Ordinal);
        Assert.Contains("not a mapping", Fails("- 1\n- 2").Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_check_over_several_values_runs_only_when_each_is_right()
    {
        var calls = 0;
        IEnumerable<SettingsProblem> Check(SampleSettings s, WrittenSettings written)
        {
            calls++;
            yield return new("name", "settings", "contradiction");
        }

        Assert.Throws<HarnessException>(() => SettingsReader.Parse<SampleSettings>("a", "steps: 99", [], Check));
        Assert.Equal(0, calls);
        Assert.Contains(
            "settings: name: contradiction",
            Assert.Throws<HarnessException>(() => SettingsReader.Parse<SampleSettings>("a", "steps: 9", [], Check)).Message,
            StringComparison.Ordinal
        );
    }

    private static string[] Written(string yaml, params string[] overrides)
    {
        string[] keys = [];
        SettingsReader.Parse<SampleSettings>("a.yaml", yaml, overrides, (_, written) =>
        {
            keys = [.. written.Keys.Select(k => $"{k} {written.Where(k)}")];
            return [];
        });
        return keys;
    }

    [Fact]
    public void What_somebody_wrote_is_told_apart_from_defaults_with_its_place() =>
        Assert.Equal(
            ["steps a.yaml:1", "inner a.yaml:2", "inner.learning_rate a.yaml:2", "cells a.yaml:3", "cells[0].max_new_tokens a.yaml:3", "rate command line"],
            // Both scalars read 0.1: only the second stands on the command line.
            Written("steps: 3\ninner: { learning_rate: 0.1 }\ncells: [ { max_new_tokens: 1 } ]\n", "rate=0.1")
        );

    [Fact]
    public void In_a_file_that_lists_every_setting_none_counts_as_written_but_an_override() =>
        Assert.Equal(["steps command line"], Written(SettingsWriter.ToYaml(new SampleSettings()), "steps=4"));

    public record Base
    {
        public int First { get; init; } = 1;
    }

    public sealed record Derived : Base
    {
        public int Second { get; init; } = 2;
    }

    [Fact]
    public void A_record_that_inherits_another_has_its_settings_on_its_own_level_and_first()
    {
        Assert.Equal("first: 1\nsecond: 2\n", SettingsWriter.ToYaml(new Derived()).ReplaceLineEndings("\n"));
        Assert.Equal(new Derived { First = 5, Second = 6 }, SettingsReader.Parse<Derived>("d", "second: 6\nfirst: 5\n", []));
    }

    [Fact]
    public void A_file_that_is_not_there_is_said_to_be_missing()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains(
            "no such settings file",
            Assert.Throws<HarnessException>(() => SettingsReader.Read<SampleSettings>(folder.At("none.yaml"), [])).Message,
            StringComparison.Ordinal
        );
        Assert.Equal(8, SettingsReader.Read<SampleSettings>(folder.Write("b.yaml", "steps: 8"), []).Steps);
    }
}
