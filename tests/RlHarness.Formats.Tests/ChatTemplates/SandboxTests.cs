using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Formats.ChatTemplates;

namespace RlHarness.Formats.Tests.ChatTemplates;

/// <summary>A template comes with a model from somewhere: it must not hang, crash or exhaust the process.</summary>
[Trait("kind", "contract")]
public sealed class SandboxTests
{
    [Theory]
    [InlineData("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "steps")]
    [InlineData("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion")]
    [InlineData("{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}", "recursion")]
    [InlineData("{{ 'x' * 999999999 }}", "too large")]
    [InlineData("{{ [1] * 999999999 }}", "too large")]
    [InlineData("{{ 9 ** 999999999 }}", "too large")]
    [InlineData("{% set ns = namespace(x='x') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", "more text than it can need")]
    [InlineData("{{ '%999999999d' % 1 }}", "width")]
    [InlineData("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}", "deep")]
    [InlineData("{{ messages.__class__() }}", "unsafe")]
    [InlineData("{{ messages[0]['__class__']() }}", "unsafe")]
    [InlineData("{{ messages.append(1) }}", "unsafe")]
    [InlineData("{{ messages[0].pop('role') }}", "unsafe")]
    [InlineData("{% set ns = namespace() %}{% set ns.__x = 1 %}", "underscore")]
    public void What_would_run_on_or_reach_out_is_stopped(string template, string says)
    {
        var error = Assert.Throws<HarnessException>(() => ChatTemplate.Parse(template).Render([ChatMessage.User("hello")]));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("(", ")")]
    [InlineData("[", "]")]
    [InlineData("not ", "")]
    [InlineData("-", "")]
    public void Deep_nesting_is_an_error_and_no_crash(string open, string close)
    {
        var source = "{{ " + string.Concat(Enumerable.Repeat(open, 1_000_000)) + "1" + string.Concat(Enumerable.Repeat(close, 1_000_000)) + " }}";
        Assert.ThrowsAny<HarnessException>(() => ChatTemplate.Parse(source).Render([]));
    }

    [Theory]
    // Found by the fuzzer: one step of a template can make a text of any length, and hold gigabytes for minutes.
    [InlineData("{{ ('ab' * 8000000) | list | length }}", "more text than it can need")]
    [InlineData("{{ ([('a' * 1000000)] * 1000) | join }}", "more text than it can need")]
    [InlineData("{{ [('a' * 1000000)] * 1000 }}", "more text than it can need")]
    [InlineData("{{ ([('a' * 1000000)] * 1000) | tojson }}", "more text than it can need")]
    [InlineData("{{ ('a' * 10000).replace('a', 'b' * 10000) | length }}", "more text than it can need")]
    [InlineData("{{ ('b' * 10000).join(['a'] * 10000) | length }}", "more text than it can need")]
    [InlineData("{% for i in range(1000) %}{% set x = 'a' * 100000 %}{% endfor %}", "more text than it can need")]
    [InlineData("{{ 3 ** 9999999 }}", "a number grows too large")]
    [InlineData("{% set ns = namespace(n=7) %}{% for i in range(40) %}{% set ns.n = ns.n * ns.n %}{% endfor %}", "a number grows too large")]
    // CPython 3.11 and later write no such number either.
    [InlineData("{{ 10 ** 4300 }}", "Exceeds the limit (4300 digits)")]
    public void What_a_single_step_makes_is_bounded_too(string template, string says)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<HarnessException>(() => ChatTemplate.Parse(template).Render([ChatMessage.User("a")]));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 96 << 20);
    }

    [Fact]
    public void A_number_of_4300_digits_is_written_and_a_long_conversation_is_rendered()
    {
        Assert.Equal(4300, ChatTemplate.Parse("{{ 10 ** 4299 }}").Render([]).Text.Length);
        // Three million characters, each trimmed, cut in two and written several times over: the bound grows with what is given.
        var content = new string('x', 30_000) + "</think>" + new string('y', 30_000);
        var messages = Enumerable.Range(0, 50).SelectMany(_ => new[] { ChatMessage.User(content), ChatMessage.Assistant(content) }).ToArray();
        const string Source =
            "{% for m in messages %}{% if '</think>' in m.content %}{% set c = m.content.split('</think>')[-1].lstrip('\\n') %}{% else %}"
            + "{% set c = m.content %}{% endif %}{{ '<|im_start|>' + m.role + '\\n' + (c | trim) + '<|im_end|>\\n' }}{% endfor %}";
        Assert.True(ChatTemplate.Parse(Source).Render(messages).Text.Length > 100 * 30_000);
    }

    [Fact]
    public void Deeply_nested_blocks_are_an_error_and_no_crash() =>
        Assert.Throws<HarnessException>(() => ChatTemplate.Parse(string.Concat(Enumerable.Repeat("{% if true %}", 100_000))));

    [Theory]
    [InlineData(" + 1", "200001")]
    [InlineData(" if 1", "1")]
    public void Long_chains_are_evaluated_or_refused(string link, string value)
    {
        var source = "{{ 1" + string.Concat(Enumerable.Repeat(link, 200_000)) + " }}";
        try
        {
            Assert.Equal(value, ChatTemplate.Parse(source).Render([]).Text);
        }
        catch (HarnessException) { }
    }

    [Theory]
    [InlineData("{% if %}")]
    [InlineData("{% for x %}{% endfor %}")]
    [InlineData("{% set x %}")]
    [InlineData("{% macro %}{% endmacro %}")]
    [InlineData("{% call f %}{% endcall %}")]
    [InlineData("{{ a b }}")]
    [InlineData("{{ f(a=1, 2) }}")]
    [InlineData("{{ {'a' 1} }}")]
    [InlineData("{{ (1 }}")]
    [InlineData("{{ 1) }}")]
    [InlineData("{% raw %}")]
    [InlineData("{{")]
    [InlineData("{%")]
    [InlineData("{{ '\\xzz' }}")]
    [InlineData("{% set true = 1 %}")]
    [InlineData("{% if a %}{% else %}{% elif b %}{% endif %}")]
    public void Errors_of_syntax_name_the_line(string template)
    {
        var error = Assert.Throws<HarnessException>(() => ChatTemplate.Parse("first\n" + template, "mine"));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains("mine: line 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rendering_does_not_change_what_was_given()
    {
        var template = ChatTemplate.Parse("{% set messages = messages[1:] %}{% set x = 2 %}{{ messages | length }}{{ x }}");
        var variables = new Dictionary<string, object?> { ["x"] = 1 };
        ChatMessage[] messages = [ChatMessage.User("a"), ChatMessage.User("b")];
        Assert.Equal("12", template.Render(messages, variables: variables).Text);
        Assert.Equal("12", template.Render(messages, variables: variables).Text);
    }

    [Fact]
    public void A_generation_block_inside_a_macro_gives_no_spans() =>
        Assert.Null(ChatTemplate.Parse("{% macro f() %}{% generation %}x{% endgeneration %}{% endmacro %}a{{ f() }}").Render([]).AssistantSpans);
}
