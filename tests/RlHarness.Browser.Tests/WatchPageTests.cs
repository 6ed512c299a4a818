using Microsoft.Playwright;
using RlHarness.Serving.Http;
using RlHarness.Serving.Tests;
using RlHarness.Serving.Watching;

namespace RlHarness.Browser.Tests;

/// <summary>The live page in a real Chromium, while a run is being written. RLHARNESS_CHROMIUM names the browser where it is not at its usual place.</summary>
[Trait("kind", "slow")]
public sealed class WatchPageTests : IDisposable
{
    private readonly WatchedFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static string? Chromium =>
        new[] { Environment.GetEnvironmentVariable("RLHARNESS_CHROMIUM"), "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome" }
            .OfType<string>()
            .FirstOrDefault(File.Exists);

    private sealed record Opened(IPlaywright Playwright, IBrowser Browser, WatchServer Server, IPage Page, List<string> Requests, List<string> Console)
        : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Browser.DisposeAsync();
            Playwright.Dispose();
            await Server.DisposeAsync();
        }
    }

    private static async Task<Opened> OpenAsync(string folder, int width = 1280, ColorScheme scheme = ColorScheme.Light)
    {
        Assert.SkipUnless(Chromium is not null, "no Chromium: apt-get install chromium, or name one with RLHARNESS_CHROMIUM");
        var server = await WatchServer.StartAsync(folder, new ServerOptions { Token = ServerOptions.NewToken() });
        var playwright = await Playwright.CreateAsync();
        var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = Chromium, Args = ["--no-sandbox"] });
        var page = await browser.NewPageAsync(
            new()
            {
                ViewportSize = new() { Width = width, Height = 900 },
                ColorScheme = scheme,
            }
        );
        var (requests, console) = (new List<string>(), new List<string>());
        page.Request += (_, r) => requests.Add(r.Url);
        page.Console += (_, m) =>
        {
            if (m.Type is "error" or "warning")
                console.Add(m.Text);
        };
        page.PageError += (_, e) => console.Add(e);
        await page.GotoAsync(server.Address.ToString());
        return new(playwright, browser, server, page, requests, console);
    }

    [Fact]
    public async Task The_curve_grows_a_filter_works_and_hostile_text_stays_text()
    {
        using var store = _folder.Begin("<b>run</b>");
        store.Commit(WatchedFolder.Step(0, WatchedFolder.Hostile));
        await using var opened = await OpenAsync(_folder.Run("<b>run</b>"));
        var page = opened.Page;
        var dots = page.Locator("#pictures svg").First.Locator("circle.dot.training");
        // A dot for each evaluation, and the legend's.
        await Assertions.Expect(dots).ToHaveCountAsync(2);
        for (var step = 2; step <= 6; step += 2)
        {
            store.Commit(WatchedFolder.Step(step, WatchedFolder.Hostile));
            await Assertions.Expect(dots).ToHaveCountAsync((step / 2) + 2);
            await Assertions.Expect(page.Locator("#stage")).ToContainTextAsync($"step {step} of 20");
        }

        await Assertions.Expect(page.Locator("#rates .tile").First).ToContainTextAsync("50.0 %");
        await Assertions.Expect(page.Locator(".transcript")).ToHaveCountAsync(16);
        await page.Locator("[name=text]").FillAsync("request 1");
        await page.Locator("[name=tier]").SelectOptionAsync("training");
        await Assertions.Expect(page.Locator(".transcript")).ToHaveCountAsync(4); // one of each of the four evaluations
        await page.Locator("[name=text]").FillAsync("request 1 of step 2");
        await Assertions.Expect(page.Locator(".transcript")).ToHaveCountAsync(1);
        await page.Locator(".transcript summary").ClickAsync();
        await Assertions.Expect(page.Locator(".transcript pre").Last).ToHaveTextAsync(WatchedFolder.Hostile);
        Assert.Equal(0, await page.Locator("#planted").CountAsync());
        Assert.Equal(0, await page.Locator("h1 b").CountAsync());
        Assert.Null(await page.EvaluateAsync<int?>("window.hacked ?? null"));

        Assert.All(opened.Requests, r => Assert.Equal(opened.Server.Address.Authority, new Uri(r).Authority));
        Assert.Empty(opened.Console);
        Assert.DoesNotContain("token", page.Url, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(360, ColorScheme.Dark)]
    [InlineData(1280, ColorScheme.Light)]
    public async Task A_narrow_window_needs_no_scrolling_sideways_and_each_scheme_is_readable(int width, ColorScheme scheme)
    {
        using var store = _folder.Begin();
        store.Commit(WatchedFolder.Step(0, new string('x', 400)));
        store.Commit(WatchedFolder.Step(2));
        store.AddEvent("rl", 2, "warning", "step 2: " + new string('y', 200) + " (alarms.no_answer)");
        await using var opened = await OpenAsync(_folder.Run(), width, scheme);
        await Assertions.Expect(opened.Page.Locator("#pictures svg").First).ToBeVisibleAsync();
        await Assertions.Expect(opened.Page.Locator("#alarms")).ToBeVisibleAsync();
        foreach (var summary in await opened.Page.Locator(".transcript summary").AllAsync())
            await summary.ClickAsync();
        var wide = await opened.Page.EvaluateAsync<string>(
            "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
                + ".map(e => e.tagName + '.' + e.className).slice(0, 5).join()"
        );
        Assert.True(await opened.Page.EvaluateAsync<int>("document.documentElement.scrollWidth") <= width, $"wider than the window: {wide}");
        // Relative luminance by WCAG of text and of what is behind it: at least 4.5 to 1.
        foreach (var element in new[] { "h1", "#stage", "#alarms li", ".tile b", ".tile span", ".transcript pre", ".transcript .chip", "#filter select" })
        {
            var contrast = await opened.Page.EvaluateAsync<double>(
                """
                selector => {
                  const part = document.querySelector(selector);
                  const numbers = (css) => css.match(/[\d.]+/g).map(Number);
                  let behind = part;
                  while (behind && (numbers(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
                  const luminance = (css) => {
                    const [r, g, b] = numbers(css).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                  };
                  const [a, b] = [luminance(getComputedStyle(part).color), luminance(getComputedStyle(behind ?? document.body).backgroundColor)];
                  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                }
                """,
                element
            );
            Assert.True(contrast >= 4.5, $"{element}: {contrast:f2} to 1");
        }

        Assert.Empty(opened.Console);
    }
}
